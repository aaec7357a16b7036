#!/usr/bin/env bash
# Tests the report with what is installed here, see README.md; takes the program that the browser's pages come from.
set -euo pipefail
program=${1:+$(realpath "$1")}
chromium=${CHROMIUM:-/usr/bin/chromium}
cd "$(dirname "$0")"

if ! command -v node >/dev/null; then
  echo 'report: skipped, Node is not installed'
  exit 0
fi
node --test pure.test.mjs
if ! npm ci --no-audit --no-fund --prefer-offline --fetch-retries=1; then
  echo 'report: types and browser skipped, npm cannot install'
  exit 0
fi
npx tsc -p .
if [[ -z $program ]]; then
  echo 'report: browser skipped, no program was given'
elif [[ ! -x $chromium ]]; then
  echo "report: browser skipped, $chromium is missing"
else
  node check.mjs "$program"
fi

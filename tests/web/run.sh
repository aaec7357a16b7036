#!/usr/bin/env bash
# Tests the page in a browser with what is installed here, see README.md; takes the page and the program.
set -euo pipefail
page=$(realpath "$1") program=$(realpath "$2")
browser=${FIREFOX:-${CHROMIUM:-/usr/bin/chromium}}
cd "$(dirname "$0")"

if ! command -v node >/dev/null; then
  echo 'page: skipped, Node is not installed'
elif [[ ! -x $browser ]]; then
  echo "page: skipped, $browser is missing"
elif [[ ! -d ../report/node_modules ]] && ! npm ci --prefix ../report --no-audit --no-fund --prefer-offline --fetch-retries=1; then
  echo 'page: skipped, npm cannot install'
else
  node check.mjs "$page" "$program"
fi

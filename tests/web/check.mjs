// See README.md.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [file, program] = process.argv.slice(2);
if (!program) throw new Error('usage: node check.mjs PAGE.html GLASSBOX');
const here = import.meta.dirname, root = path.join(here, '../..');
const { default: puppeteer } = createRequire(path.join(here, '../report/check.mjs'))('puppeteer-core');
const axe = readFileSync(path.join(here, '../report/node_modules/axe-core/axe.min.js'), 'utf8');
const photo = path.join(root, 'crates/attribution/tests/photos/chelsea.png');
const WIDTHS = { desktop: 1280, phone: 375 };

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'], protocolTimeout: 120_000 });
const folder = mkdtempSync(path.join(tmpdir(), 'glassbox-page-'));

// Opens the page from disk, and notes what it shouldn't do.
async function open(hash = '', { width = WIDTHS.desktop, dark = false } = {}) {
  const page = await browser.newPage(), faults = [];
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  page.on('console', message => message.type() === 'error' && faults.push(`console: ${message.text()}`));
  page.on('pageerror', error => faults.push(`error: ${error.message}`));
  page.on('dialog', dialog => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const url = pathToFileURL(file).href + hash;
  page.on('request', request => {
    if (request.url().split('#')[0] !== url.split('#')[0] && !/^(data|blob):/.test(request.url())) faults.push(`request: ${request.url()}`);
  });
  await page.goto(url);
  return { page, faults };
}

const text = (page, selector) => page.$eval(selector, element => element.textContent);
const settled = page => page.waitForFunction(() => /^(Computed|Saved|Stopped)|^$/.test(document.querySelector('#why-status').textContent), { timeout: 60_000 });

async function upload(page, selector, name) {
  await (await page.$(selector)).uploadFile(name);
}

async function looked(page, name) {
  await page.waitForSelector(`html[data-shown="${path.basename(name)}"]`, { timeout: 60_000 });
}

const checks = {
  async 'a photograph is explained'() {
    const { page, faults } = await open();
    await upload(page, '#why-file', photo);
    await looked(page, photo);
    const classes = await page.$$eval('#why-classes button', all => all.map(button => button.firstChild.textContent));
    assert.equal(classes.length, 5);
    assert.match(classes[0], /cat|tabby/i);
    const drawing = () => page.$eval('#why-frames canvas', canvas => canvas.toDataURL());
    const first = await drawing();
    assert.match(await text(page, '#why-frames figcaption'), /Why .*\?Evidence, at most/);
    await page.click('#why-classes button:nth-child(2)');
    await page.waitForFunction(name => document.querySelector('#why-frames figcaption').textContent.startsWith(`Why ${name}?`), {}, classes[1]);
    assert.notEqual(await drawing(), first);
    assert.deepEqual(faults, []);
    await page.close();
  },
};

let failed = 0;
try {
  for (const [name, check] of Object.entries(checks)) {
    const began = performance.now();
    try {
      await check();
      console.log(`ok   ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    } catch (error) {
      failed++;
      console.log(`FAIL ${name}\n${error.stack}`);
    }
  }
} finally {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;

// See README.md.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { inflateSync } from 'node:zlib';
import puppeteer from 'puppeteer-core';

const [program, ...pages] = process.argv.slice(2);
if (!program) throw new Error('usage: node check.mjs GLASSBOX [PAGE.html …]');
const here = import.meta.dirname;
const axe = readFileSync(path.join(here, 'node_modules/axe-core/axe.min.js'), 'utf8');
const shots = path.join(here, 'shots');
mkdirSync(shots, { recursive: true });
const WIDTHS = { desktop: 1280, phone: 375 };
const MOST_BYTES = 40e6, MOST_SECONDS = 2;

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

// Opens a page from disk, and notes what it shouldn't do.
async function open(file, { width = WIDTHS.desktop, dark = false } = {}) {
  const page = await browser.newPage(), faults = [];
  await page.setViewport({ width, height: 900 });
  await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  page.on('console', message => message.type() === 'error' && faults.push(`console: ${message.text()}`));
  page.on('pageerror', error => faults.push(`error: ${error.message}`));
  page.on('dialog', dialog => { faults.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  const url = pathToFileURL(file).href;
  page.on('request', request => {
    if (request.url() !== url && !request.url().startsWith('data:')) faults.push(`request: ${request.url()}`);
  });
  const began = performance.now();
  await page.goto(url);
  // A report of units has no pictures to choose from.
  if (await page.$('.gallery')) await page.waitForSelector('html[data-shown="0"]');
  return { page, faults, seconds: (performance.now() - began) / 1000 };
}

const text = (page, selector) => page.$eval(selector, element => element.textContent);
const drawing = page => page.$eval('#canvas', canvas => canvas.toDataURL());

// What the page was given for a picture, decoded by other means.
async function entry(page, place) {
  const data = JSON.parse(await text(page, `#entry-${place}`));
  const bytes = inflateSync(Buffer.from(data.values, 'base64'));
  const values = ({ form, at, rows, columns, most }) => Array.from({ length: rows * columns }, (_, i) => {
    if (form === 'exact') return bytes.readFloatLE(at + 4 * i);
    const q = bytes.readInt8(at + i);
    return q === -128 ? NaN : Math.sign(q) * (q / 127) ** 2 * most;
  });
  return { ...data, valuesOf: values };
}

async function choose(page, method) {
  await page.$eval(`#method input[value="${method}"]`, input => input.click());
}

async function accessible(file, options) {
  const { page, faults } = await open(file, options);
  await page.$$eval('details', all => all.forEach(details => { details.open = true; }));
  // By the debugging protocol: the page's own policy lets nobody else's script in.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 120)).join(' | ')}`);
  assert.deepEqual(found, [], `axe-core, ${JSON.stringify(options)}`);
  assert.deepEqual(faults, []);
  await page.close();
}

const checks = {
  async 'slider, methods, layers and classes do what they say'(demo) {
    const { page, faults } = await open(demo);
    await choose(page, 'cam');
    const strong = await drawing(page);
    await page.focus('#opacity');
    await page.keyboard.press('Home');
    assert.equal(await text(page, '#strength'), '0 %');
    const bare = await drawing(page);
    assert.notEqual(bare, strong);
    await choose(page, 'guided-backprop');
    assert.equal(await drawing(page), bare, 'at strength 0 every map leaves the picture as it is');
    await page.focus('#opacity');
    await page.keyboard.press('End');
    const guided = await drawing(page);
    assert.notEqual(guided, bare);
    assert.match(await text(page, '#tells'), /^Tells which fine structures.*Doesn’t tell why it is this class/);

    await choose(page, 'grad-cam');
    const layers = await page.$$eval('#layer option', options => options.map(option => option.textContent));
    assert.deepEqual(layers, ['relu1', 'relu2', 'relu3', 'relu4']);
    assert.equal(await page.$eval('#layer', select => select.selectedOptions[0].textContent), 'relu4');
    const last = await drawing(page);
    await page.select('#layer', '0');
    const first = await drawing(page);
    assert.notEqual(first, last);
    await page.select('#class', '1');
    assert.equal(await page.$eval('#layer', select => select.value), '0', 'the layer stays');
    assert.notEqual(await drawing(page), first);
    assert.match(await text(page, '#said'), new RegExp(`^Why ${(await entry(page, 0)).classes[1].why}\\?`));

    await page.select('#class', '0');
    const positive = await drawing(page);
    await page.click('#signed');
    assert.notEqual(await drawing(page), positive);
    assert.match(await text(page, '#least'), /^against, −/);

    await page.click('.gallery label:nth-child(2)');
    await page.waitForSelector('html[data-shown="1"]');
    assert.equal(await text(page, '#name'), (await entry(page, 1)).name);
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'a legend says what the values are'(demo, { file }) {
    const { page, faults } = await open(file);
    const { classes: [{ maps }] } = await entry(page, 0);
    const figure = '(\\d[\\d.e+-]*)';
    const legends = {
      'grad-cam': ['no evidence, 0', `strongest evidence, ${figure}`],
      'input-x-gradient': [`against, −${figure}`, `for, ${figure}`],
      'guided-backprop': [`darker would raise the score, −${figure}`, `brighter would, ${figure}`],
      'var-grad': ['nothing, 0', `strongest, ${figure}`],
    };
    for (const [method, [least, most]] of Object.entries(legends)) {
      await choose(page, method);
      const low = (await text(page, '#least')).match(`^${least}$`), high = (await text(page, '#most')).match(`^${most}$`);
      assert.ok(low && high, `${method}: ${await text(page, '#least')}; ${await text(page, '#most')}`);
      const { full, evidence } = maps.findLast(map => map.method === method);
      assert.ok(evidence && Math.abs(Number(high[1]) - full) <= 5e-3 * full, `${method}: ${high[1]} for ${full}`);
      if (low[1]) assert.equal(low[1], high[1], method);
      assert.equal(await page.$eval('#for-signed', label => label.checkVisibility()), method === 'grad-cam', method);
    }
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'the read-out gives the cell and what it reads'(demo) {
    const { page, faults } = await open(demo);
    await choose(page, 'grad-cam');
    const data = await entry(page, 0);
    const map = data.classes[0].maps.filter(map => map.method === 'grad-cam').at(-1), values = data.valuesOf(map);
    assert.deepEqual([map.rows, map.columns, map.form], [12, 12, 'exact']);
    await page.$eval('#canvas', canvas => canvas.scrollIntoView({ block: 'center', behavior: 'instant' }));
    const box = await page.$eval('#canvas', canvas => canvas.getBoundingClientRect().toJSON());
    const before = await drawing(page);
    // Cell (4, 7): its middle, and near its corners.
    let readout, value;
    for (const aside of [-0.4, 0.4, 0]) {
      const [y, x] = [4, 7].map((index, axis) => (map.cells.first[axis] + (index + aside) * map.cells.stride[axis]) / data.input[axis]);
      await page.mouse.move(box.x + x * box.width, box.y + y * box.height);
      readout = await text(page, '#readout');
      const found = readout.match(/row (\d+), column (\d+) of 12 × 12: (−?[\d.e+-]+),/);
      assert.deepEqual([found[1], found[2]], ['4', '7'], `${aside} of a cell aside`);
      value = found[3];
    }
    const expected = values[4 * 12 + 7];
    assert.ok(Math.abs(Number(value.replace('−', '-')) - expected) <= 5e-4 * Math.abs(expected), `${value} for ${expected}`);
    const edges = [4, 7].map((index, axis) => {
      const middle = map.cells.first[axis] + index * map.cells.stride[axis];
      return [Math.max(middle - map.cells.field[axis] / 2, 0), Math.min(middle + map.cells.field[axis] / 2, data.input[axis]) - 1];
    });
    assert.ok(readout.includes(`rows ${edges[0].join(' to ')} and columns ${edges[1].join(' to ')} of the input, 48 × 48`), readout);
    assert.notEqual(await drawing(page), before, 'the receptive field is drawn');

    await page.focus('#canvas');
    await page.keyboard.press('Home');
    const strongest = values.indexOf(Math.max(...values));
    const place = at => `row ${Math.floor(at / 12)}, column ${at % 12} of`;
    assert.ok((await text(page, '#readout')).includes(place(strongest)));
    const left = strongest % 12 > 0 ? -1 : 1;
    await page.keyboard.press(left < 0 ? 'ArrowLeft' : 'ArrowRight');
    assert.ok((await text(page, '#readout')).includes(place(strongest + left)));
    await page.keyboard.press('Escape');
    assert.equal(await text(page, '#readout'), '');
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'everything can be reached and chosen by keyboard'(demo) {
    const { page, faults } = await open(demo);
    const reached = new Set();
    for (let i = 0; i < 40; i++) {
      await page.keyboard.press('Tab');
      reached.add(await page.evaluate(() => document.activeElement.id || document.activeElement.name || document.activeElement.tagName));
    }
    for (const control of ['picture', 'canvas', 'method', 'layer', 'class', 'opacity', 'signed', 'BUTTON']) {
      assert.ok(reached.has(control), `${control} among ${[...reached]}`);
    }
    await page.focus('input[name="picture"]:checked');
    await page.keyboard.press('ArrowRight');
    await page.waitForSelector('html[data-shown="1"]');
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'certificates are counted and unfold'(demo, hostile) {
    for (const file of [demo, hostile.file]) {
      const { page, faults } = await open(file);
      const certificates = (await entry(page, 0)).certificates;
      const held = certificates.filter(line => line.holds).length;
      assert.ok(held > 5);
      assert.equal(await text(page, '#certificates summary'), `Certificates: ${held} of ${held} hold`);
      await page.focus('#certificates summary');
      await page.keyboard.press('Enter');
      assert.equal(await page.$$eval('#certificates li', lines => lines.filter(line => line.checkVisibility()).length), certificates.length);
      assert.deepEqual(faults, []);
      await page.close();
    }
  },

  async 'tables are sorted by the figures'(demo) {
    const { page, faults } = await open(demo);
    const column = () => page.$$eval('.sortable tbody tr td:nth-child(2)', cells => cells.map(cell => Number(cell.dataset.value)));
    const before = await column();
    const click = () => page.$eval('.sortable thead th:nth-child(2) button', button => button.click());
    await click();
    assert.deepEqual(await column(), before.toSorted((a, b) => b - a));
    await click();
    assert.deepEqual(await column(), before.toSorted((a, b) => a - b));
    assert.equal(await page.$eval('.sortable thead th:nth-child(2)', head => head.ariaSort), 'ascending');
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'hostile names stay text'(demo, hostile) {
    const { page, faults } = await open(hostile.file);
    assert.equal(await text(page, '#name'), hostile.picture);
    const names = await page.$$eval('.answers span', spans => spans.map(span => span.textContent));
    assert.ok(names.every(name => name.startsWith(hostile.label)), names.join());
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.equal(await page.$$eval('img', images => images.filter(image => !image.src.startsWith('data:')).length), 0);
    assert.deepEqual(faults, []);
    await page.close();
  },

  async 'axe-core finds no fault'(demo, hostile, look) {
    for (const file of [demo, hostile.file, look]) {
      for (const width of Object.values(WIDTHS)) {
        for (const dark of [false, true]) await accessible(file, { width, dark });
      }
    }
  },

  async 'pages fit a phone'(demo, _, look) {
    for (const file of [demo, look]) {
      const { page } = await open(file, { width: WIDTHS.phone });
      const [content, width] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(content <= width, `${content} pixels wide on ${width}`);
      await page.close();
    }
  },

  async 'each tile of a report of units says what it shows'(demo, hostile, look) {
    const { page, faults } = await open(look);
    const tiles = await page.$$eval('.tiles img', images => images.map(image => image.alt));
    for (const kind of ['filter of conv1:0', 'feature map of relu1:0', 'guided backprop of relu1:', 'made for relu1:']) {
      assert.ok(tiles.some(alt => alt.startsWith(kind)), kind);
    }
    assert.ok(tiles.every(alt => alt.length > 5));
    assert.deepEqual(faults, []);
    await page.close();
  },
};

// Size, time and faults of any page.
async function opened(file) {
  const { page, faults, seconds } = await open(file);
  const bytes = statSync(file).size;
  console.log(`     ${path.basename(path.dirname(file))}: ${(bytes / 1e6).toFixed(1)} MB, open after ${seconds.toFixed(2)} s`);
  assert.ok(bytes < MOST_BYTES && seconds < MOST_SECONDS, `${bytes} bytes, ${seconds} s`);
  assert.deepEqual(faults, []);
  await page.close();
}

async function screenshots(file) {
  for (const [name, width] of Object.entries(WIDTHS)) {
    for (const dark of [false, true]) {
      const { page } = await open(file, { width, dark });
      if (await page.$('#canvas')) {
        await page.focus('#canvas');
        await page.keyboard.press('Home');
      }
      await page.evaluate(() => scrollTo({ top: 0, behavior: 'instant' }));
      await page.screenshot({ path: path.join(shots, `${path.basename(path.dirname(file))}-${name}${dark ? '-dark' : ''}.png`), fullPage: true });
      await page.close();
    }
  }
}

const folder = mkdtempSync(path.join(tmpdir(), 'glassbox-report-'));
let failed = 0;
try {
  const run = (...args) => execFileSync(path.resolve(program), args, { cwd: folder, stdio: ['ignore', 'ignore', 'inherit'] });
  run('demo', '--epochs', '2', '--images', '1000', '--test-images', '200', '--pictures', '4', '--out', 'demo');
  const demo = path.join(folder, 'demo/index.html');
  const hostile = { picture: `<img src=x onerror="pwned=1">&'.png`, label: `</script><script>pwned=1</script>"'&amp;` };
  const [picture] = readdirSync(path.join(folder, 'demo/inputs'));
  copyFileSync(path.join(folder, 'demo/inputs', picture), path.join(folder, hostile.picture));
  writeFileSync(path.join(folder, 'labels.txt'), Array.from({ length: 10 }, (_, i) => `${hostile.label} ${i}\n`).join(''));
  run('explain', hostile.picture, '--model', 'demo/model.safetensors', '--labels', 'labels.txt', '--top', '2', '--certify',
    '--method', 'grad-cam,input-x-gradient,guided-backprop,var-grad(samples=4)', '--out', 'hostile');
  hostile.file = path.join(folder, 'hostile/index.html');
  run('look', 'demo/model.safetensors', 'demo/inputs', '--per-layer', '2', '--steps', '8', '--out', 'look');
  const look = path.join(folder, 'look/index.html');
  const all = [...Object.entries(checks), ...[demo, hostile.file, look, ...pages].map(file => [`${file} opens`, () => opened(file)])];
  for (const [name, check] of all) {
    try {
      await check(demo, hostile, look);
      console.log(`ok   ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAIL ${name}\n${error.stack}`);
    }
  }
  for (const file of [demo, look, ...pages]) await screenshots(file);
} finally {
  await browser.close();
  rmSync(folder, { recursive: true });
}
process.exitCode = failed > 0 ? 1 : 0;

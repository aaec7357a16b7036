// The checks of the page, see README.md.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const here = import.meta.dirname, root = path.join(here, '../..');
const { default: puppeteer } = createRequire(path.join(here, '../report/check.mjs'))('puppeteer-core');
const axe = readFileSync(path.join(here, '../report/node_modules/axe-core/axe.min.js'), 'utf8');
const photo = path.join(root, 'crates/attribution/tests/photos/chelsea.png');
const WIDTHS = { desktop: 1280, phone: 375 };
// Long enough for a busy machine.
const SLOW = 120_000;
const { FIREFOX, CHROMIUM = '/usr/bin/chromium' } = process.env;

// Only Chromium lets its colours be chosen from outside.
const SCHEMES = FIREFOX ? ['light'] : ['light', 'dark'];

// The page, the program, a browser and a folder for what it saves.
let file, program, browser, folder;

export async function begin(files) {
  [file, program] = files.map(name => path.resolve(name));
  folder = mkdtempSync(path.join(tmpdir(), 'glassbox-page-'));
  browser = await puppeteer.launch(FIREFOX
    ? { browser: 'firefox', executablePath: FIREFOX, protocolTimeout: SLOW, extraPrefsFirefox: { 'browser.download.folderList': 2, 'browser.download.dir': folder } }
    : { executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-gpu'], protocolTimeout: SLOW });
}

export async function end() {
  await browser.close();
  rmSync(folder, { recursive: true, force: true });
}

// Opens the page from disk, and notes what it shouldn't do.
async function open(hash = '', { before } = {}) {
  const page = await browser.newPage(), faults = [];
  await page.setViewport({ width: WIDTHS.desktop, height: 900 });
  if (before) await page.evaluateOnNewDocument(before);
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
const upload = async (page, selector, name) => (await page.$(selector)).uploadFile(name);
const ready = (page, name) => page.waitForSelector(`html[data-ready="${name}"]`, { timeout: SLOW });
const looked = (page, name) => page.waitForFunction(name => document.documentElement.dataset.shown === name, { timeout: SLOW }, path.basename(name));
const captions = page => page.$$eval('#why-frames figcaption b', all => all.map(b => b.textContent));
const drawing = (page, selector = '#why-frames canvas') => page.$eval(selector, canvas => canvas.toDataURL());
const until = (page, test, ...values) => page.waitForFunction(test, { timeout: SLOW }, ...values);
const problem = (page, id = 'why') => until(page, id => document.getElementById(`${id}-problem`).textContent, id).then(handle => handle.jsonValue());
const run = (...args) => execFileSync(program, args, { cwd: folder, env: { ...process.env, GLASSBOX_SIMD: 'portable' }, encoding: 'utf8' });

// The file that the page saves when something is done.
async function saved(page, name, act) {
  if (FIREFOX) {
    const saved = path.join(folder, name);
    rmSync(saved, { force: true });
    await act();
    // It has this name when it is complete.
    while (!existsSync(saved) || statSync(saved).size === 0) await new Promise(resolve => setTimeout(resolve, 50));
    return saved;
  }
  const client = await page.createCDPSession();
  await client.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: folder, eventsEnabled: true });
  const finished = new Promise(resolve => client.on('Browser.downloadProgress', ({ state }) => state === 'completed' && resolve()));
  await act();
  await finished;
  return path.join(folder, name);
}

async function closed({ page, faults }) {
  assert.deepEqual(faults, []);
  await page.close();
}

export const checks = {
  async 'it is quick and small enough'() {
    const began = performance.now(), opened = await open(), { page } = opened;
    await ready(page, 'why');
    const start = performance.now() - began;
    await upload(page, '#why-file', photo);
    await looked(page, photo);
    const times = await page.evaluate(async () => {
      const asked = performance.now();
      await whyPhoto(...why.file);
      const shown = performance.now() - asked;
      why.target = why.photo.top[1].class;
      await whyMaps();
      const other = why.maps[0].took, forward = [];
      for (let i = 0; i < 10; i++) forward.push((await why.engine.ask({ ask: 'photo', name: 'again' }, why.file[1])).took);
      return { shown, other, forward: Math.min(...forward), memory: why.photo.memory / 1e6 };
    });
    const ms = value => `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
    console.log(`     ready after ${ms(start)}, a photograph's map after ${ms(times.shown)}, another class's after ${ms(times.other)}, `
      + `picture and forward pass ${ms(times.forward)}; ${Math.round(times.memory)} MB in the module, ${(statSync(file).size / 1e6).toFixed(2)} MB in the file`);
    assert.ok(statSync(file).size <= 17e6, 'the file');
    // As the page carries it: gzipped, in seven bits a character.
    const [packed, imports] = await page.evaluate(async () => [
      document.getElementById('module').textContent.length * 7 / 8,
      WebAssembly.Module.imports(await code()).map(({ module, name }) => `${module}.${name}`),
    ]);
    console.log(`     the module takes ${Math.round(packed / 1e3)} kB`);
    assert.deepEqual(imports, ['page.told']);
    assert.ok(times.memory <= 300, 'the memory');
    await closed(opened);
  },

  async 'a jpeg has the same bits here and there'() {
    const opened = await open(), { page } = opened;
    await page.click('#why-example');
    await looked(page, 'chelsea.jpg');
    const bytes = await page.evaluate(async () => Array.from(await carried('example')));
    writeFileSync(path.join(folder, 'chelsea.jpg'), Buffer.from(bytes));
    const record = await saved(page, 'chelsea.jpg.explained.json', () => page.click('#why-save'));
    run('verify', record);
    // Methods that run the network on many pictures at once.
    const many = await page.evaluate(async target => (await why.engine.ask({
      ask: 'record', explained: ['rise(masks=16)', 'smooth-grad(samples=16)'].map(method => ({ method, target, layer: null })),
    })).record, { class: 282, counterfactual: false });
    writeFileSync(record, many);
    run('verify', record);
    // Workers that share the work find the same.
    const maps = await page.evaluate(async target => {
      Object.defineProperty(navigator, 'hardwareConcurrency', { value: 3 });
      const differ = [];
      for (const method of ['rise(masks=50)', 'occlusion(window=64)']) {
        const ask = { method, target, layer: null }, told = [];
        const shared = await sharedMap(ask, share => told.push(share)), alone = await why.engine.ask({ ask: 'explain', ...ask });
        if (String(shared.values) !== String(alone.values) || shared.most !== alone.most || Math.abs(told.at(-1) - 1) > 1e-9) differ.push(method);
      }
      return { differ, helpers: helpers.length };
    }, { class: 282, counterfactual: false });
    assert.deepEqual(maps, { differ: [], helpers: 2 });
    await closed(opened);
  },

  async 'axe-core finds no fault, and the pages fit'() {
    for (const [hash, name] of [['#why', 'why'], ['#learn', 'learn'], ['#book', 'book']]) {
      const opened = await open(hash), { page } = opened;
      await ready(page, name);
      if (name === 'why') {
        await upload(page, '#why-file', photo);
        await looked(page, photo);
      }
      await page.$$eval('details', all => all.forEach(details => { details.open = true; }));
      // By the debugging protocol: the page's own policy lets nobody else's script in.
      await page.evaluate(axe);
      for (const width of Object.values(WIDTHS)) {
        for (const scheme of SCHEMES) {
          await page.setViewport({ width, height: 900 });
          if (!FIREFOX) await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: scheme }]);
          const { violations } = await page.evaluate(name => axe.run(`#page-${name}`), name);
          const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(node => node.html.slice(0, 160)).join(' | ')}`);
          assert.deepEqual(found, [], `axe-core, ${name}, ${width}, ${scheme}`);
          const wide = await page.evaluate(() => document.documentElement.scrollWidth);
          assert.ok(wide <= width, `${name} is ${wide} pixels wide on ${width}`);
        }
      }
      await closed(opened);
    }
  },

  async 'a lost worker is replaced, and what takes long is stopped'() {
    const opened = await open(), { page } = opened;
    await upload(page, '#why-file', photo);
    await looked(page, photo);
    const failed = await page.evaluate(() => why.engine.ask({ ask: 'explain', method: 'grad-cam', target: { class: 281, counterfactual: false }, layer: 'no such layer' }).catch(error => error.message));
    assert.match(failed, /no such layer/);
    await page.evaluate(() => why.engine.stop());
    await page.evaluate(() => whyAgain().then(whyMaps));
    assert.match((await captions(page))[0], /^Why .*\?$/);
    await page.select('#why-method', 'rise');
    await until(page, () => /^RISE: \d+ %, about \d+ .* left/.test(document.querySelector('#why-status').textContent));
    await page.click('#why-stop');
    await until(page, () => document.querySelector('#why-status').textContent === 'Stopped.');
    await page.select('#why-method', 'rise');
    await until(page, () => /^RISE: /.test(document.querySelector('#why-status').textContent));
    await page.select('#why-method', 'hires-cam');
    await until(page, () => /^Computed/.test(document.querySelector('#why-status').textContent));
    assert.match((await captions(page))[0], /^Why .*\?$/);
    await closed(opened);
  },

  async 'a photograph is explained, and the program computes the same bits'() {
    const opened = await open(), { page } = opened;
    await upload(page, '#why-file', photo);
    await looked(page, photo);
    const classes = await page.$$eval('#why-classes button', all => all.map(button => button.firstChild.textContent));
    assert.equal(classes.length, 5);
    assert.match(classes[0], /cat/);
    const { pictures: [{ top }] } = JSON.parse(run('explain', photo, '--json', '--quiet', '--method', 'grad-cam'));
    const shares = await page.evaluate(() => why.photo.top.map(said => said.share));
    assert.deepEqual(shares.slice(0, top.length), top.slice(0, shares.length).map(said => said.probability));
    const first = await drawing(page);
    await page.click('#why-classes button:nth-child(2)');
    await until(page, name => document.querySelector('#why-frames b').textContent === `Why ${name}?`, classes[1]);
    assert.notEqual(await drawing(page), first);
    await page.select('#why-versus', await page.$eval('#why-versus option:nth-child(2)', option => option.value));
    await until(page, () => document.querySelectorAll('#why-frames figure').length === 3);
    assert.deepEqual(await captions(page), [`Why ${classes[1]}?`, `Why ${classes[0]}?`, `Why ${classes[1]} rather than ${classes[0]}?`]);
    const record = await saved(page, 'chelsea.png.explained.json', () => page.click('#why-save'));
    assert.match(run('verify', record, '--image', photo), /same.*why/);

    await page.select('#why-method', 'guided-backprop');
    await until(page, () => document.querySelector('#why-frames').textContent.includes('The rule replaced'));
    await page.select('#why-method', 'layer-cam');
    await page.focus('#why-layer');
    await page.keyboard.press('Home');
    await until(page, () => why.maps[0].rows === 112 && /112 × 112/.test(document.querySelector('#why-layer-name').textContent));
    await page.focus('#why-frames canvas');
    await page.keyboard.press('Home');
    assert.match(await text(page, '#why-readout'), /row \d+, column \d+ of \d+ × \d+: .* It reads rows/);
    await closed(opened);
  },

  async 'a network of one’s own is shown, or refused in a sentence'() {
    const opened = await open(), { page } = opened, small = path.join(root, 'tests/reference/small/gapnet/gapnet_dynamo.onnx');
    const junk = path.join(folder, 'junk.onnx');
    writeFileSync(junk, 'no network');
    await ready(page, 'why');
    await upload(page, '#why-network', junk);
    assert.match(await problem(page), /junk\.onnx: /);
    await upload(page, '#why-network', small);
    await until(page, () => document.querySelector('#why-about-title').textContent.includes('gapnet'));
    assert.ok(await page.$$eval('#why-layers tbody tr', rows => rows.length) > 3);
    await upload(page, '#why-file', photo);
    await page.waitForSelector('#why-prepare:not([hidden])', { timeout: SLOW });
    await page.click('#why-prepare button');
    await looked(page, photo);
    assert.match((await captions(page))[0], /^Why .*\?$/);
    await page.click('#why-certify');
    await page.waitForSelector('#why-identities', { timeout: SLOW });
    assert.match(await text(page, '#why-certificates'), /(\d+) of \1 agree/);
    await closed(opened);
  },

  async 'damaged networks end at most their own worker'() {
    const opened = await open(), { page } = opened;
    const network = readFileSync(path.join(root, 'tests/reference/small/gapnet/gapnet_torchscript.onnx'));
    await ready(page, 'why');
    const said = await page.evaluate(async bytes => {
      const outcomes = [];
      for (let turn = 0; turn < 24; turn++) {
        const damaged = Uint8Array.from(bytes);
        // The structure stands at both ends of the file, the weights between them.
        for (let i = 0; i < 4; i++) {
          const at = (turn * 7919 + i * 104729) % 700;
          damaged[turn % 2 ? at : bytes.length - 1 - at] = (turn * 31 + i * 17) % 256;
        }
        const engine = new Engine([[{ ask: 'onnx', name: 'damaged.onnx' }, () => damaged]]);
        outcomes.push(await engine.ready.then(network => network.layers.length, error => error.message));
        engine.end('');
      }
      return outcomes;
    }, Array.from(network));
    assert.equal(said.length, 24);
    assert.ok(said.every(outcome => typeof outcome === 'number' || /^damaged\.onnx: .{10}/.test(outcome)), said.join('\n'));
    assert.ok(said.some(outcome => typeof outcome === 'string'));
    await closed(opened);
  },

  async 'what is no picture is refused, hostile names are text, and the page goes on'() {
    const opened = await open(), { page } = opened;
    const hostile = path.join(folder, '<img src=x onerror="pwned=1">&.png');
    copyFileSync(photo, hostile);
    for (const [name, bytes] of [['text.png', 'no picture'], ['cut.png', readFileSync(photo).subarray(0, 5000)], ['empty.jpg', '']]) {
      writeFileSync(path.join(folder, name), bytes);
      await upload(page, '#why-file', path.join(folder, name));
      await until(page, name => document.querySelector('#why-problem').textContent.startsWith(name), name);
    }
    await upload(page, '#why-file', hostile);
    await looked(page, hostile);
    assert.equal(await text(page, '#why-name'), path.basename(hostile));
    assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
    assert.equal(await page.$$eval('img', images => images.length), 0);
    assert.equal(await text(page, '#why-problem'), '');
    await closed(opened);
  },

  async 'several photographs are a gallery'() {
    const opened = await open(), { page } = opened, broken = path.join(folder, 'broken.png');
    writeFileSync(broken, 'no picture');
    await (await page.$('#why-file')).uploadFile(photo, path.join(path.dirname(photo), 'coffee.png'), broken);
    await until(page, () => document.querySelectorAll('#why-gallery li').length === 3 && /in \d+ s/.test(document.querySelector('#why-status').textContent));
    const said = await page.$$eval('#why-gallery button', all => all.map(button => button.textContent).sort());
    assert.match(said[0], /^broken\.png.*expected a PNG/);
    assert.match(said[1], /^chelsea\.png.*cat/);
    assert.match(said[2], /^coffee\.png.*(espresso|cup|coffee)/i);
    await page.evaluate(() => [...document.querySelectorAll('#why-gallery button')].find(button => button.textContent.startsWith('coffee')).click());
    await looked(page, 'coffee.png');
    await closed(opened);
  },

  async 'without vector instructions there is a sentence'() {
    const { page } = await open('', { before: () => { WebAssembly.compile = () => Promise.reject(new WebAssembly.CompileError('simd')); } });
    assert.match(await problem(page), /vector instructions/);
    await page.close();
  },

  async 'it learns, as the program does, to the last bit'() {
    const opened = await open('#learn?c=8np,16np&r=-13&s=7'), { page } = opened;
    await ready(page, 'learn');
    assert.equal(await page.$$eval('#learn-blocks li', items => items.length), 2);
    // One pass through the pictures.
    await page.evaluate(async () => { await learnSteps(100); await learnSteps(88); await learnLook(); });
    const own = await saved(page, 'garments.safetensors', () => page.click('#learn-save'));
    const rate = await page.evaluate(() => rate());
    writeFileSync(path.join(folder, 'run.toml'), `
      data.source = "fashion-mnist"
      network = { architecture = "plain", channels = [8, 16], pool_after = [1, 2] }
      output = { folder = "trained", film_every = 0 }
      [training]
      epochs = 1
      batch_size = 32
      learning_rate = ${rate}
      nesterov = false
      weight_decay = 0.0
      label_smoothing = 0.0
      schedule = "constant"
      warmup = 0.0
      seed = 7`);
    run('train', '--config', 'run.toml', '--quiet');
    assert.deepEqual(readFileSync(own), readFileSync(path.join(folder, 'trained/model.safetensors')));
    await closed(opened);
  },

  async 'a training is run, paused, stepped, changed and saved'() {
    const opened = await open('#learn'), { page } = opened;
    await ready(page, 'learn');
    const before = await drawing(page, '#learn-watched canvas');
    await page.click('#learn-run');
    await until(page, () => Number(document.documentElement.dataset.steps) >= 200);
    // To press twice is to pause, too: no second training begins beside the first.
    await page.evaluate(() => { for (const _ of [1, 2]) document.querySelector('#learn-run').click(); });
    await until(page, () => document.querySelector('#learn-run').textContent === 'Train' && learn.looked);
    assert.ok(await page.evaluate(() => learn.steps.every(([step], at) => step === at + 1)));
    assert.ok(await page.evaluate(() => learn.looked.accuracy) > 0.5);
    assert.notEqual(await drawing(page, '#learn-watched canvas'), before);
    assert.equal(await page.$$eval('#learn-watched .right, #learn-watched .wrong', all => all.length), 10);
    const steps = await page.evaluate(() => learn.steps.length);
    await page.click('#learn-step');
    await until(page, steps => learn.steps.length === steps + 1, steps);
    await page.focus('#learn-canvas');
    for (const key of [' ', 'ArrowDown', ' ', 'ArrowDown', ' ']) await page.keyboard.press(key);
    await until(page, () => document.querySelectorAll('#learn-guess div').length === 3);
    const onnx = await saved(page, 'garments.onnx', () => page.click('#learn-onnx'));
    assert.match(run('inspect', onnx), /conv1/);

    await page.click('#learn-watched li:nth-child(3) a');
    await ready(page, 'book');
    assert.equal(await page.evaluate(() => book.picture), 2);
    const operations = await page.$$eval('#tape-list button', all => all.length);
    for (let i = 1; i < operations; i++) {
      await page.click('#tape-back');
      assert.equal(await page.$$eval('#tape-rules section', all => all.length), 3);
      assert.ok(await page.$eval('#tape-list [aria-current]', item => {
        const [list, own] = [item.parentElement, item].map(element => element.getBoundingClientRect());
        return list.top - 1 < own.top && own.bottom < list.bottom + 1;
      }));
    }
    assert.equal(await page.$eval('#tape-picture', canvas => canvas.ariaLabel), 'Pullover');
    assert.ok(await drawing(page, '#tape-picture') === await drawing(page, '#book-pictures label:nth-child(3) canvas'));
    assert.ok(await page.$eval('#tape-back', button => button.disabled));
    await page.evaluate(() => { location.hash = '#learn'; });
    await page.select('#learn-batch', '16');
    await until(page, () => learn.steps.length === 0 && location.hash.includes('b=16'));
    await closed(opened);
  },

  async 'digits are learnt, and a drawn one is read'() {
    const opened = await open('#learn?d=digits&c=8np,16np,32np&r=-13'), { page } = opened;
    await ready(page, 'learn');
    assert.deepEqual(await page.evaluate(() => [learn.begun.images, learn.begun.classes.join('')]), [2000, '0123456789']);
    await page.evaluate(async () => { for (let i = 0; i < 30; i++) await learnSteps(8); await learnLook(); });
    assert.ok(await page.evaluate(() => learn.looked.accuracy) > 0.8);
    // A one, small and off the centre.
    await page.$eval('#learn-canvas', canvas => canvas.scrollIntoView({ block: 'center' }));
    const box = await (await page.$('#learn-canvas')).boundingBox(), at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
    await page.mouse.move(...at(0.7, 0.2));
    await page.mouse.down();
    await page.mouse.move(...at(0.7, 0.6), { steps: 5 });
    await page.mouse.up();
    await until(page, () => document.querySelector('#learn-guess div')?.firstChild.textContent === '1');
    assert.match(await text(page, '#learn-draw'), /Draw a digit/);
    await page.select('#learn-pictures', 'garments');
    await until(page, () => learn.begun.images === 6000 && location.hash.includes('d=garments'));
    await closed(opened);
  },

  async 'one’s own classes are learnt'() {
    const opened = await open('#learn'), { page } = opened;
    await ready(page, 'learn');
    await page.$$eval('details', all => all.forEach(details => { details.open = true; }));
    await page.click('#own-use');
    assert.match(await problem(page, 'learn'), /at least two classes/);
    for (const [index, name] of ['chelsea.png', 'coffee.png'].entries()) {
      await (await page.$$('#own-classes input[type="file"]'))[index].uploadFile(path.join(path.dirname(photo), name));
      await until(page, index => own.classes[index].pictures.length === 1, index);
      await page.$eval(`#own-classes li:nth-child(${index + 1}) input[type="text"]`, (input, name) => { input.value = `<b>${name}`; input.dispatchEvent(new Event('input')); }, name);
    }
    await page.$eval('#own-use', button => button.click());
    await until(page, () => learn.begun?.classes.length === 2 && learn.looked);
    await page.evaluate(async () => { for (let i = 0; i < 10; i++) await learnSteps(4); await learnLook(); });
    assert.deepEqual(await page.$$eval('#learn-watched b', all => all.map(b => b.textContent)), ['<b>chelsea.png', '<b>coffee.png']);
    assert.equal(await page.$$eval('#learn-watched .right', all => all.length), 2);
    await closed(opened);
  },

  async 'the book’s pieces answer'() {
    const opened = await open('#book/convolution'), { page } = opened;
    await ready(page, 'book');
    const sum = await text(page, '#conv-sum');
    await page.focus('#conv-input');
    await page.keyboard.press('ArrowUp');
    assert.notEqual(await text(page, '#conv-sum'), sum);
    await page.evaluate(() => { document.querySelector('#conv-kernel input').value = '5'; document.querySelector('#conv-kernel input').dispatchEvent(new Event('input')); });
    await until(page, sum => document.querySelector('#conv-sum').textContent !== sum && book.convolution.kernel[0] === 5, sum);
    const sees = await text(page, '#field-says');
    await page.focus('#field-layer');
    await page.keyboard.press('Home');
    assert.notEqual(await text(page, '#field-says'), sees);
    for (const [mistake, found] of [['sign', true], ['factor', true], ['slight', true], ['none', false]]) {
      await page.select('#check-mistake', mistake);
      await until(page, found => /found a mistake/.test(document.querySelector('#check-says').textContent) === found, found);
    }
    const slider = await page.$('#relu-table input');
    await slider.focus();
    await page.keyboard.press('Home');
    await until(page, () => document.querySelector('#relu-table').rows[1].cells[1].textContent === '0');
    await closed(opened);
  },
};

// How fast the page and its module are, see ../README.md: node bars.mjs PAGE.html GLASSBOX

import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import puppeteer from 'puppeteer-core';

const [file, program] = process.argv.slice(2).map(name => path.resolve(name));
if (!program) throw new Error('usage: node bars.mjs PAGE.html GLASSBOX');
const here = import.meta.dirname, versus = path.join(here, '..');
const ROUNDS = 15, SECONDS = 0.4;
const folder = mkdtempSync(path.join(tmpdir(), 'glassbox-bars-'));

/** A case of `cases.py`. */
const python = code => JSON.parse(execFileSync('python3', ['-c', `import json; from cases import *; print(json.dumps(${code}))`], { cwd: versus, encoding: 'utf8' }));
const network = path.join(folder, 'network.onnx');
execFileSync(program, ['export', network, '--quiet']);
const cases = {
  forward: { ...python("whole_case('efficientnet_lite0', 'fwd', 1)"), prediction: network, training: '' },
  step: python("net_case('train', 'S', 'step', 32)"),
};
// Net S in the page, and what the page computes with one forward pass: the score of the picture covered as a whole.
const NET_S = '#learn?d=garments&c=32,64p,64&h=mean&b=32';
const COVERED = { method: 'occlusion(window=224,baseline=mean)', target: { class: 282, counterfactual: false }, layer: null };

/** The native engine: its portable tier, one thread. */
async function native(name) {
  const env = { ...process.env, GLASSBOX_SIMD: 'portable', RAYON_NUM_THREADS: '1' };
  const engine = spawn(path.join(versus, 'peers/target/release/glassbox'), { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: engine.stdout })[Symbol.asyncIterator]();
  const ask = async command => {
    engine.stdin.write(`${JSON.stringify(command)}\n`);
    return JSON.parse((await lines.next()).value);
  };
  const { unsupported } = await ask({ do: 'prepare', case: cases[name] });
  assert.equal(unsupported, undefined);
  return { run: async () => 1e3 * (await ask({ do: 'run', seconds: SECONDS, least: 2 })).seconds, end: () => engine.kill() };
}

/** The peer's page. */
const SCRIPT = `
let run;
async function prepare([height, width, channels]) {
  ort.env.wasm.numThreads = 1;
  const session = await ort.InferenceSession.create('/network.onnx', { executionProviders: ['wasm'] });
  const [name] = session.inputNames, input = new ort.Tensor('float32', new Float32Array(channels * height * width), [1, channels, height, width]);
  run = () => session.run({ [name]: input });
  return Array.from(Object.values(await run())[0].data);
}
async function timed(seconds) {
  let best = Infinity;
  for (const end = performance.now() + 1e3 * seconds; performance.now() < end;) {
    const began = performance.now();
    await run();
    best = Math.min(best, performance.now() - began);
  }
  return best;
}`;
const parts = {
  '/': ['text/html', () => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script src="/ort/ort.wasm.min.js"></script><script>${SCRIPT}</script>`],
  '/network.onnx': ['application/octet-stream', () => readFileSync(network)],
};
const server = createServer(({ url }, response) => {
  const library = /^\/ort\/([\w.-]+\.(m?js|wasm))$/.exec(url);
  const [type, body] = library
    ? [library[2] === 'wasm' ? 'application/wasm' : 'text/javascript', () => readFileSync(path.join(here, 'node_modules/onnxruntime-web/dist', library[1]))]
    : parts[url] ?? ['text/plain', () => ''];
  response.writeHead(200, { 'content-type': type });
  response.end(body());
}).listen(0, '127.0.0.1');
await once(server, 'listening');

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'], protocolTimeout: 600_000 });
const sorted = times => times.toSorted((a, b) => a - b), least = times => sorted(times)[0], middle = times => sorted(times)[times.length >> 1];
const ms = value => `${value < 20 ? value.toFixed(1) : Math.round(value)} ms`;
let missed = 0;
const bar = (what, value, most, text) => {
  const holds = value <= most;
  missed += holds ? 0 : 1;
  console.log(`${holds ? 'holds ' : 'MISSED'} ${what}: ${text(value)}, at most ${text(most)}`);
};

/** The page at this address, once it is ready. */
async function opened(hash, ready) {
  const page = await browser.newPage();
  await page.goto(pathToFileURL(file).href + hash);
  await page.waitForSelector(`html[data-ready="${ready}"]`, { timeout: 60_000 });
  return page;
}

async function engines() {
  const peer = await browser.newPage();
  await peer.goto(`http://127.0.0.1:${server.address().port}/`);
  const scores = await peer.evaluate(shape => prepare(shape), cases.forward.input);
  const why = await opened('#why', 'why'), learn = await opened(NET_S, 'learn');
  await why.evaluate(async () => { await why.engine.ask({ ask: 'photo', name: 'example' }, await carried('example')); });
  // The peer's picture is the covered one.
  const score = await why.evaluate(async ask => (await why.engine.ask({ ask: 'share', ...ask, worker: 0, count: 1 })).scores[0], COVERED);
  assert.ok(Math.abs(score - scores[COVERED.target.class]) < 1e-3, `${score} and ${scores[COVERED.target.class]}`);
  const natives = { forward: await native('forward'), step: await native('step') };
  const shortest = (page, ask, steps) => page.evaluate(async (ask, steps, seconds) => {
    let best = Infinity;
    const { engine } = ask.ask === 'share' ? why : learn;
    for (const end = performance.now() + 1e3 * seconds; performance.now() < end;) best = Math.min(best, (await engine.ask(ask)).took / steps);
    return best;
  }, ask, steps, SECONDS);
  const sides = {
    'page forward': () => shortest(why, { ask: 'share', ...COVERED, worker: 0, count: 1 }, 1),
    'onnxruntime-web forward': () => peer.evaluate(seconds => timed(seconds), SECONDS),
    'native forward': natives.forward.run,
    'page step': () => shortest(learn, { ask: 'train', steps: 2, learning_rate: 0.01 }, 2),
    'native step': natives.step.run,
  };
  const times = Object.fromEntries(Object.keys(sides).map(name => [name, []]));
  for (let round = -1; round < ROUNDS; round++) {
    for (const [name, run] of Object.entries(sides)) {
      const time = await run();
      // The first round lets the browser optimise.
      if (round >= 0) times[name].push(time);
    }
  }
  for (const [name, each] of Object.entries(times)) console.log(`       ${name}: ${ms(least(each))}, median ${ms(middle(each))}`);
  const ratio = (one, other) => least(times[one]) / least(times[other]), text = value => value.toFixed(3);
  bar('forward ÷ onnxruntime-web', ratio('page forward', 'onnxruntime-web forward'), 1.05, text);
  bar('forward ÷ native portable', ratio('page forward', 'native forward'), 1.15, text);
  bar('training step ÷ native portable', ratio('page step', 'native step'), 1.35, text);
  for (const { end } of Object.values(natives)) end();
  await Promise.all([peer, why, learn].map(page => page.close()));
}

/** Memory of the process that shows a page, in bytes. */
function resident(marker) {
  const processes = execFileSync('ps', ['-eo', 'rss=,args='], { encoding: 'utf8' }).split('\n').filter(line => line.includes('--type=renderer') && line.includes(marker));
  return Math.max(0, ...processes.map(line => 1024 * Number(line.trim().split(/\s+/)[0])));
}

async function usage() {
  const page = await browser.newPage();
  await page.setViewport({ width: 1280, height: 900 });
  await page.evaluateOnNewDocument(() => {
    globalThis.marks = {};
    new MutationObserver(() => {
      const { ready, shown } = document.documentElement?.dataset ?? {};
      if (ready) marks.ready ??= performance.now();
      if (shown) marks.shown ??= performance.now();
    }).observe(document, { attributes: true, subtree: true, attributeFilter: ['data-ready', 'data-shown'] });
  });
  const began = performance.now();
  await page.goto(pathToFileURL(file).href);
  await page.waitForFunction(() => marks.ready, { polling: 20 });
  const opened = performance.now() - began;
  bar('ready after opening', opened, 3000, ms);
  const photo = readFileSync(path.join(here, '../../../crates/attribution/tests/photos/chelsea.png')).toString('base64');
  await page.evaluate(photo => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([Uint8Array.from(atob(photo), c => c.charCodeAt(0))], 'chelsea.png'));
    marks.dropped = performance.now();
    window.dispatchEvent(new DragEvent('drop', { dataTransfer: transfer }));
  }, photo);
  await page.waitForFunction(() => marks.shown, { polling: 20 });
  bar('first map after a drop', await page.evaluate(() => marks.shown - marks.dropped), 500, ms);
  const classes = await page.evaluate(async () => {
    const times = [];
    for (let turn = 0; turn < 20; turn++) {
      const before = why.maps, began = performance.now();
      document.querySelectorAll('#why-classes button')[(turn + 1) % 5].click();
      while (why.maps === before) await new Promise(resolve => setTimeout(resolve));
      times.push([why.maps[0].took, performance.now() - began]);
    }
    return times.slice(5);
  });
  bar('another class’s map', middle(classes.map(([took]) => took)), 5, ms);
  console.log(`       … until it is drawn, median ${ms(middle(classes.map(([, drawn]) => drawn)))}`);
  const memory = await page.evaluate(async photo => {
    const bitmap = await createImageBitmap(new Blob([Uint8Array.from(atob(photo), c => c.charCodeAt(0))]));
    for (let i = 0; i < 100; i++) {
      const canvas = new OffscreenCanvas(400 + 8 * i, 900 - 5 * i);
      canvas.getContext('2d').drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      const blob = await canvas.convertToBlob({ type: 'image/jpeg' });
      await whyPhoto(`${i}.jpg`, new Uint8Array(await blob.arrayBuffer()));
    }
    return { module: why.photo.memory, shown: document.documentElement.dataset.shown };
  }, photo);
  assert.equal(memory.shown, '99.jpg');
  bar('the module’s memory after 100 photographs', memory.module / 1e6, 300, value => `${Math.round(value)} MB`);
  const process = await page.evaluate(() => performance.memory?.usedJSHeapSize ?? 0);
  console.log(`       JavaScript’s heap ${Math.round(process / 1e6)} MB; the largest process of the browser ${Math.round(resident('') / 1e6)} MB`);
}

try {
  await engines();
  await usage();
} finally {
  await browser.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}
process.exitCode = missed ? 1 : 0;

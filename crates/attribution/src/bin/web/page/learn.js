'use strict';
// Watch it learn: a training that can be paused, stepped and changed.

const SIDE = 28;
const learn = {
  engine: null,
  running: false,
  begun: null,
  /** [step, loss, score] of each step. */
  steps: [],
  looked: null,
  blocks: [],
  /** The user's own classes and the labels of their pictures, which are `bytes`. */
  own: null,
  bytes: null,
  /** Counts beginnings, so that what belongs to an earlier one is dropped. */
  turn: 0,
};
const START = '8np,16np,32np';
const STEPS_AT_ONCE = 4, LOOK_EVERY = 500;

// ---- Settings, in the page's address ----

const blocksOf = text => text.split(',').map(part => /^(\d{1,3})(n?)(p?)$/.exec(part)).filter(Boolean)
  .map(([, channels, norm, pool]) => ({ channels: Math.min(Math.max(Number(channels), 1), 128), norm: norm !== '', pool: pool !== '' })).slice(0, 8);
const textOf = blocks => blocks.map(({ channels, norm, pool }) => `${channels}${norm ? 'n' : ''}${pool ? 'p' : ''}`).join(',');
const rate = () => 10 ** (Number($('learn-rate').value) / 10);
const SETTINGS = { r: 'learn-rate', o: 'learn-optimizer', b: 'learn-batch', s: 'learn-seed' };

function readAddress() {
  const [, query = ''] = location.hash.split('?'), settings = new URLSearchParams(query);
  learn.blocks = blocksOf(settings.get('c') ?? START);
  for (const [key, id] of Object.entries(SETTINGS)) {
    const element = $(id), value = settings.get(key);
    if (value === null) continue;
    if (element.tagName !== 'SELECT' || [...element.options].some(option => option.value === value)) element.value = value;
  }
  $('learn-average').checked = settings.get('h') !== 'flat';
}

function writeAddress() {
  const settings = new URLSearchParams({ c: textOf(learn.blocks), h: $('learn-average').checked ? 'mean' : 'flat' });
  for (const [key, id] of Object.entries(SETTINGS)) settings.set(key, $(id).value);
  if (location.hash.startsWith('#learn')) history.replaceState(null, '', `#learn?${settings.toString().replaceAll('%2C', ',')}`);
}

function learnSettings() {
  return {
    blocks: learn.blocks,
    average: $('learn-average').checked,
    optimizer: $('learn-optimizer').value,
    batch: Number($('learn-batch').value),
    seed: Math.max(0, Math.floor(Number($('learn-seed').value))) || 0,
    data: learn.own ? { own: learn.own } : 'garments',
  };
}

// ---- The training ----

/** A network with random weights. */
async function learnBegin() {
  const turn = ++learn.turn;
  learn.running = false;
  Object.assign(learn, { steps: [], looked: null });
  learnButtons();
  learnSay('Preparing…', true);
  learnProblem('');
  try {
    const settings = learnSettings(), { bytes } = learn;
    learn.engine?.end('Started over.');
    learn.engine = new Engine([[{ ask: 'begin', settings }, () => bytes]]);
    const begun = await learn.engine.ready;
    if (turn !== learn.turn) return;
    learn.begun = begun;
    keepColours(begun);
    writeAddress();
    learnTiles();
    learnSize();
    learnCurves();
    await learnLook();
    learnSay(`${begun.images.toLocaleString('en')} pictures to learn from. Press Train.`);
    document.documentElement.dataset.ready = 'learn';
    document.dispatchEvent(new Event('begun'));
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
  }
}

async function learnRun() {
  if (learn.running) {
    learn.running = false;
    learnButtons();
    return;
  }
  const { turn } = learn;
  learn.running = true;
  learnButtons();
  let looked = performance.now();
  while (learn.running && turn === learn.turn) {
    if (!await learnSteps(STEPS_AT_ONCE)) break;
    if (performance.now() - looked > LOOK_EVERY) {
      await learnLook();
      looked = performance.now();
    }
    // The page is drawn in between.
    await new Promise(requestAnimationFrame);
  }
  if (turn === learn.turn) {
    learn.running = false;
    await learnLook();
    learnButtons();
  }
}

async function learnSteps(steps) {
  const { turn } = learn;
  try {
    const answer = await learn.engine.ask({ ask: 'train', steps, learning_rate: rate() });
    if (turn !== learn.turn) return false;
    learn.steps.push(...answer.steps);
    const [step] = learn.steps.at(-1), took = answer.took / answer.steps.length;
    learnSay(`Step ${step}, time ${Math.floor((step - 1) / learn.begun.each) + 1} through the pictures, ${took < 10 ? took.toFixed(1) : Math.round(took)} ms a step.`);
    learnCurves();
    return true;
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
    return false;
  }
}

async function learnLook() {
  const { turn } = learn;
  try {
    const looked = await learn.engine.ask({ ask: 'look' });
    if (turn !== learn.turn) return;
    learn.looked = looked;
    learnWatched();
    learnConfusion();
    learnCurves();
    await learnGuess();
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
  }
}

function learnFailed(error) {
  learn.running = false;
  learnButtons();
  learnSay('');
  learnProblem(`${error.message} ${learn.steps.length ? 'Start over, perhaps with a lower learning rate.' : ''}`);
}

// ---- What is shown ----

function learnSay(text, busy = false) {
  $('learn-status').textContent = text;
  $('learn-status').classList.toggle('busy', busy);
}

function learnProblem(text) {
  $('learn-problem').textContent = text;
  $('learn-problem').hidden = text === '';
}

function learnButtons() {
  $('learn-run').textContent = learn.running ? 'Pause' : 'Train';
  $('learn-step').disabled = learn.running;
}

/** A grey picture, and a map over it. */
function paintTile(canvas, pixels, seen) {
  const image = new ImageData(SIDE, SIDE), shades = seen?.evidence ? colours.strength : null;
  for (let i = 0; i < SIDE * SIDE; i++) {
    const share = shades ? seen.values[i] : 0, step = 3 * Math.round(255 * share), opacity = 0.75 * share;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = shades ? pixels[i] + opacity * (shades[step + c] - pixels[i]) : pixels[i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

const watchedPixels = index => learn.begun.pictures.slice(index * SIDE * SIDE, (index + 1) * SIDE * SIDE);

function learnTiles() {
  const { labels, classes } = learn.begun;
  $('learn-watched').replaceChildren(...labels.map((label, index) => {
    const canvas = make('canvas', { width: SIDE, height: SIDE });
    canvas.setAttribute('aria-hidden', 'true');
    paintTile(canvas, watchedPixels(index), null);
    return make('li', {}, make('a', { href: `#book/tape?picture=${index}` }, canvas, make('b', { textContent: classes[label] }), make('span')));
  }));
}

function learnWatched() {
  const { labels, classes } = learn.begun;
  learn.looked.maps.forEach((seen, index) => {
    const link = $('learn-watched').children[index].firstChild, [canvas, , says] = link.children;
    const [[guess, share]] = seen.top, right = guess === labels[index];
    paintTile(canvas, watchedPixels(index), seen);
    link.className = right ? 'right' : 'wrong';
    says.textContent = right ? `✓ ${percent(share)}` : `✗ ${classes[guess]}`;
  });
}

/** A curve of every step, faint, and its moving mean. */
function curve(svg, points, most) {
  const count = points.length, all = Math.max(count, 40), width = 320, height = 120;
  const x = i => (i / (all - 1) * width).toFixed(1), y = v => (height - Math.min(v / most, 1.05) * height).toFixed(1);
  const every = Math.max(1, Math.floor(count / 320)), raw = [], smooth = [];
  let mean = null;
  points.forEach((v, i) => {
    mean = mean === null ? v : mean + (v - mean) / Math.min(i + 1, 15);
    if (i % every === 0 || i === count - 1) {
      raw.push(`${x(i)},${y(v)}`);
      smooth.push(`${x(i)},${y(mean)}`);
    }
  });
  const part = (tag, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const line = share => part('line', { x1: 0, x2: width, y1: height * share, y2: height * share });
  svg.replaceChildren(line(0), line(0.5), line(1), ...(count ? [part('path', { class: 'faint', d: `M${raw.join('L')}` }), part('path', { d: `M${smooth.join('L')}` })] : []));
  return mean;
}

function learnCurves() {
  const losses = learn.steps.map(([, loss]) => loss), scores = learn.steps.map(([, , score]) => score);
  const most = Math.max(2.5, ...losses.slice(0, 20));
  const loss = curve($('learn-loss-curve'), losses, most), score = curve($('learn-accuracy-curve'), scores, 1);
  $('learn-loss').textContent = loss === null ? '' : loss.toFixed(3);
  const tried = learn.looked && learn.steps.length ? `${percent(learn.looked.accuracy)} of new pictures` : '';
  $('learn-accuracy').textContent = score === null ? '' : tried;
  document.documentElement.dataset.steps = String(learn.steps.length);
}

function learnConfusion() {
  const { confusion } = learn.looked, { classes } = learn.begun;
  const head = make('tr', {}, make('td'), ...classes.map(name => make('th', { scope: 'col', textContent: name })));
  const rows = confusion.map((row, truth) => make('tr', {}, make('th', { scope: 'row', textContent: classes[truth] }), ...row.map((count, said) => {
    const cell = make('td', { textContent: count || '·', className: said === truth ? 'hit' : '' }), most = Math.max(1, ...row);
    cell.style.background = `color-mix(in srgb, var(${said === truth ? '--good' : '--bad'}) ${Math.round(35 * count / most)}%, transparent)`;
    return cell;
  })));
  $('learn-confusion').replaceChildren(make('table', { className: 'confusion' }, make('thead', {}, head), make('tbody', {}, ...rows)));
}

function learnSize() {
  const { parameters, layers } = learn.begun, last = layers.filter(layer => layer.output.length === 3).at(-1);
  $('learn-size').textContent = `${parameters.toLocaleString('en')} weights. ${last ? `The last features have ${last.output.slice(0, 2).join(' × ')} positions.` : ''}`;
}

// ---- Blocks ----

function learnBlocks() {
  $('learn-blocks').replaceChildren(...learn.blocks.map((block, index) => {
    const number = index + 1, choice = (name, text) => {
      const input = make('input', { type: 'checkbox', checked: block[name] });
      input.onchange = () => learnChange(() => { block[name] = input.checked; });
      return make('label', {}, input, ` ${text}`);
    };
    const channels = make('select', { ariaLabel: `Features of block ${number}` }, ...[...new Set([4, 8, 16, 32, 64, block.channels])].sort((a, b) => a - b)
      .map(count => make('option', { value: String(count), textContent: `${count} features`, selected: count === block.channels })));
    channels.onchange = () => learnChange(() => { block.channels = Number(channels.value); });
    const remove = make('button', { type: 'button', textContent: '×', ariaLabel: `Remove block ${number}` });
    remove.onclick = () => learnChange(() => learn.blocks.splice(index, 1));
    return make('li', {}, make('b', { textContent: String(number) }), channels, choice('norm', 'batch norm'), choice('pool', 'halve the size'), remove);
  }));
  $('learn-add').disabled = learn.blocks.length >= 8;
}

/** After a change of the settings the training begins anew. */
function learnChange(change) {
  change();
  learnBlocks();
  writeAddress();
  learnBegin();
}

// ---- Drawing ----

const drawing = { pixels: new Uint8ClampedArray(SIDE * SIDE), at: [14, 14], down: false };

function paintAt([row, column]) {
  for (const [dy, dx, v] of [[0, 0, 255], [0, 1, 200], [1, 0, 200], [0, -1, 200], [-1, 0, 200]]) {
    const y = row + dy, x = column + dx;
    if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) drawing.pixels[y * SIDE + x] = Math.max(drawing.pixels[y * SIDE + x], v);
  }
  paintTile($('learn-canvas'), drawing.pixels, null);
}

function paintPoint(event) {
  const box = $('learn-canvas').getBoundingClientRect();
  return [Math.floor((event.clientY - box.top) / box.height * SIDE), Math.floor((event.clientX - box.left) / box.width * SIDE)];
}

async function learnGuess() {
  if (!learn.engine || !learn.begun || drawing.pixels.every(v => v === 0)) {
    $('learn-guess').textContent = '';
    return;
  }
  const { turn } = learn, seen = await learn.engine.ask({ ask: 'guess' }, Uint8Array.from(drawing.pixels));
  if (turn !== learn.turn) return;
  if (!drawing.down) paintTile($('learn-canvas'), drawing.pixels, seen);
  $('learn-guess').replaceChildren(...seen.top.map(([index, share]) => make('div', { textContent: `${percent(share)} ${learn.begun.classes[index]}` })));
}

// ---- Events ----

function learnShow() {
  if (learn.begun || learn.engine) return;
  readAddress();
  learnBlocks();
  learnRate();
  learnBegin();
}

function learnRate() {
  $('learn-rate-value').textContent = Number(rate().toPrecision(2)).toString();
}

async function learnSave(onnx) {
  try {
    const { file } = await learn.engine.ask({ ask: 'save', onnx });
    download(onnx ? 'garments.onnx' : 'garments.safetensors', file, 'application/octet-stream');
  } catch (error) {
    learnProblem(error.message);
  }
}

paintTile($('learn-canvas'), drawing.pixels, null);
$('learn-canvas').onpointerdown = event => { drawing.down = true; event.currentTarget.setPointerCapture(event.pointerId); paintAt(paintPoint(event)); };
$('learn-canvas').onpointermove = event => { if (drawing.down) paintAt(paintPoint(event)); };
$('learn-canvas').onpointerup = $('learn-canvas').onpointercancel = () => { drawing.down = false; learnGuess(); };
$('learn-canvas').onkeydown = event => {
  const step = STEPS[event.key];
  if (step) drawing.at = drawing.at.map((v, axis) => clamp(v + step[axis], 0, SIDE - 1));
  else if (event.key !== ' ') return;
  event.preventDefault();
  if (event.key === ' ' || event.shiftKey) paintAt(drawing.at);
  else {
    paintTile($('learn-canvas'), drawing.pixels, null);
    frame($('learn-canvas').getContext('2d'), [drawing.at[1], drawing.at[0], 1, 1], 0.4, []);
  }
  if (event.key === ' ') learnGuess();
};
$('learn-clear').onclick = () => { drawing.pixels.fill(0); paintTile($('learn-canvas'), drawing.pixels, null); $('learn-guess').textContent = ''; };
$('learn-run').onclick = learnRun;
$('learn-step').onclick = async () => { if (await learnSteps(1)) await learnLook(); };
$('learn-again').onclick = learnBegin;
$('learn-rate').oninput = () => { learnRate(); writeAddress(); };
$('learn-add').onclick = () => learnChange(() => learn.blocks.push({ channels: 16, norm: true, pool: false }));
for (const id of ['learn-average', 'learn-optimizer', 'learn-batch', 'learn-seed']) $(id).onchange = () => learnChange(() => {});
$('learn-save').onclick = () => learnSave(false);
$('learn-onnx').onclick = () => learnSave(true);

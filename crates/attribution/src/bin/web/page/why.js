'use strict';
// Why?: a photograph, what the network sees in it, and where it looked.

const why = {
  engine: null,
  network: null,
  photo: null,
  /** The photograph's name and bytes, to be looked at again by another network. */
  file: null,
  target: null,
  versus: null,
  /** Whether a method is at work that takes long. */
  slow: false,
  quantities: null,
  asked: 0,
};

const PICTURE = /\.(png|jpe?g|webp|gif|bmp|tiff?)$/i;
const PHOTOGRAPHS = [[{ ask: 'photographs' }, () => carried('weights')]];
const DEFAULT_METHOD = 'grad-cam';
/** Milliseconds after which a method that is still at work can be stopped. */
const LATE = 800;

// ---- The photograph ----

async function whyPhoto(name, bytes) {
  await why.loading;
  if (!why.engine) return;
  why.file = [name, bytes];
  if (!why.network.normalized) return;
  whyFree();
  helpersEnd('Another photograph came.');
  whyBusy('Looking…');
  try {
    const photo = await why.engine.ask({ ask: 'photo', name }, bytes);
    photo.canvas = canvasOf(photo.drawing);
    Object.assign(why, { photo, versus: null, target: photo.top[0]?.class ?? null });
    whyProblem('');
    $('why-answer').hidden = false;
    $('why-name').textContent = name;
    $('why-certificates').replaceChildren();
    $('why-readout').textContent = '';
    whyClasses();
    whyBusy('');
    await whyMaps();
    document.documentElement.dataset.shown = name;
  } catch (error) {
    whyBusy('');
    whyProblem(error.message);
  }
}

function whyClasses() {
  const { top } = why.photo;
  $('why-classes').replaceChildren(...top.map(said => {
    const button = make('button', { type: 'button' },
      make('span', { textContent: said.name }), make('span', { textContent: said.share === null ? said.amount : percent(said.share) }));
    if (said.share !== null) button.style.setProperty('--share', `${100 * said.share}%`);
    button.onclick = () => {
      why.target = said.class;
      if (why.versus === said.class) why.versus = null;
      whyChosen();
      whyMaps();
    };
    return button;
  }));
  if (top.length === 0) $('why-classes').replaceChildren(make('p', { className: 'quiet', textContent: 'This network gives no classes, so there is nothing to ask about.' }));
  whyChosen();
}

/** Marks the class that is asked about; the others can be compared with it. */
function whyChosen() {
  const { top } = why.photo;
  top.forEach((said, index) => $('why-classes').children[index].setAttribute('aria-pressed', String(said.class === why.target)));
  const others = top.filter(said => said.class !== why.target);
  $('why-versus').replaceChildren(make('option', { value: '', textContent: 'nothing else' }),
    ...others.map(said => make('option', { value: String(said.class), textContent: said.name, selected: said.class === why.versus })));
}

const percent = share => `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`;

// ---- The maps ----

/** What is asked for each frame: one class, or two and the difference between them. */
function whyTargets() {
  const plain = target => ({ class: target, counterfactual: false });
  if (why.versus === null) return [plain(why.target)];
  return [plain(why.target), plain(why.versus), { ...plain(why.target), versus: why.versus }];
}

const whyMethod = () => why.network.methods.find(({ id }) => id === $('why-method').value);

function whyAsks() {
  const method = whyMethod(), layer = method.layered ? why.network.spatial[Number($('why-layer').value)] ?? null : null;
  return whyTargets().map(target => ({ method: method.id, target, layer }));
}

async function whyMaps() {
  if (why.target === null || !whyMethod()) return;
  const turn = ++why.asked, method = whyMethod();
  if (whyFree()) await whyAgain();
  if (turn !== why.asked) return;
  $('why-tells').textContent = `${method.title} (${method.source}) tells ${method.tells}. It doesn’t tell ${method.not}.`;
  $('why-for-layer').hidden = !method.layered;
  whyLayerName();
  const late = setTimeout(whyLate, method.slow ? 0 : LATE, turn, method.slow ? `${method.title} runs the network many times…` : `${method.title}…`);
  try {
    const maps = [];
    for (const ask of whyAsks()) {
      const began = performance.now(), told = share => { if (turn === why.asked) whyBusy(`${method.title}: ${Math.round(100 * share)} %, ${leftOver(began, share)} left.`); };
      maps.push(await (method.shared ? sharedMap(ask, told) : why.engine.ask({ ask: 'explain', ...ask }, undefined, told)));
      if (turn !== why.asked) return;
    }
    why.maps = maps;
    why.cell = null;
    whyFrames();
    whyProblem('');
    whyBusy(`Computed in ${Math.max(1, Math.round(maps.reduce((sum, map) => sum + map.took, 0)))} ms.`, true);
  } catch (error) {
    if (turn !== why.asked) return;
    whyBusy('');
    whyProblem(error.message);
    if (error.lost && why.file) await whyAgain();
  } finally {
    clearTimeout(late);
  }
  why.slow = false;
  $('why-stop').hidden = true;
}

/** Says that a method is at work, which can be stopped. */
function whyLate(turn, text) {
  if (turn !== why.asked) return;
  why.slow = true;
  $('why-stop').hidden = false;
  whyBusy(text);
}

/** Ends a slow method, because something else is asked. Returns whether there was one. */
function whyFree() {
  const { slow } = why;
  if (slow) {
    why.engine.stop('Something else was asked.');
    helpersEnd('Something else was asked.');
  }
  why.slow = false;
  return slow;
}

/** The picture, for an instance that has lost it. */
async function whyAgain() {
  try {
    await why.engine.ask({ ask: 'photo', name: why.file[0] }, why.file[1]);
  } catch (error) {
    whyProblem(error.message);
  }
}

/** The time that is left, in words. */
function leftOver(began, share) {
  const seconds = Math.ceil((performance.now() - began) / 1000 * (1 - share) / Math.max(share, 0.01));
  return seconds < 90 ? `about ${seconds} s` : `about ${Math.round(seconds / 60)} minutes`;
}

function whyLayerName() {
  const { spatial, layers } = why.network, name = spatial[Number($('why-layer').value)];
  const output = layers.find(layer => layer.name === name)?.output;
  $('why-layer-name').textContent = name ? `${name}${output ? `, ${output.slice(0, 2).join(' × ')} cells` : ''}` : '';
}

function whyFrames() {
  const { maps } = why;
  $('why-frames').dataset.count = String(maps.length);
  $('why-for-signed').hidden = maps.every(({ quantity }) => quantity !== 'evidence');
  if ($('why-frames').children.length !== maps.length) {
    $('why-frames').replaceChildren(...maps.map((_, index) => {
      const canvas = make('canvas', { tabIndex: 0 });
      canvas.setAttribute('role', 'application');
      canvas.onpointermove = canvas.onpointerdown = event => whyPoint(event, index);
      canvas.onkeydown = event => whyPress(event, index);
      const scale = make('div', { className: 'scale' }, make('span'), make('canvas', { width: 256, height: 1, ariaHidden: 'true' }), make('span'));
      return make('figure', {}, canvas, scale, make('figcaption', {}, make('b'), make('span')));
    }));
  }
  maps.forEach((map, index) => {
    const figure = $('why-frames').children[index], [canvas, scale, caption] = figure.children;
    canvas.ariaLabel = `The picture with the map: why ${map.why}?`;
    caption.children[0].textContent = `Why ${map.why}?`;
    caption.children[1].textContent = [sentence(verdict(map)), map.rule ? `The rule replaced ${map.rule}.` : ''].join(' ');
    legend(scale, map, whyScale(map, index));
  });
  whyDraw();
}

/** In a comparison both classes have the same scale. */
function whyScale(map, index) {
  const compared = why.versus !== null && index < 2 ? why.maps.slice(0, 2) : [map];
  const largest = name => Math.max(...compared.map(other => other[name]));
  return scaleOf({ ...map, full: largest('full'), most: largest('most') }, why.quantities, $('why-signed').checked);
}

const sentence = text => text[0].toUpperCase() + text.slice(1) + '.';
const verdict = map => map.evidence ? `evidence, at most ${number(map.values.reduce((most, v) => Math.max(most, v)))}` : map.verdict;

function whyDraw() {
  if (!why.maps) return;
  $('why-strength-value').textContent = `${$('why-strength').value} %`;
  why.maps.forEach((map, index) => drawMap($('why-frames').children[index].children[0], why.photo, map, {
    scale: whyScale(map, index), opacity: Number($('why-strength').value) / 100, cell: why.cell,
  }));
}

// ---- Pointing ----

function whyPoint(event, index) {
  const { part: [top, left, height, width], picture, input } = why.photo, box = event.currentTarget.getBoundingClientRect();
  const y = (event.clientY - box.top) / box.height * picture[0] - top, x = (event.clientX - box.left) / box.width * picture[1] - left;
  const inside = y >= 0 && y < height && x >= 0 && x < width;
  whyMove(inside ? nearest(why.maps[index], input, [y * input[0] / height, x * input[1] / width]) : null, index);
}

function whyPress(event, index) {
  const map = why.maps[index], step = STEPS[event.key];
  if (event.key === 'Escape') whyMove(null, index);
  else if (event.key === 'Home' || (step && !why.cell)) whyMove(strongest(map, whyScale(map, index).signed), index);
  else if (step) whyMove(held(map, axes(axis => why.cell[axis] + step[axis])), index);
  else return;
  event.preventDefault();
}

function whyMove(cell, index) {
  if (String(cell) === String(why.cell)) return;
  why.cell = cell;
  whyDraw();
  $('why-readout').textContent = cell ? readOut(why.maps[index], why.photo.input, cell) : '';
}

// ---- Words and events ----

function whyBusy(text, done = false) {
  $('why-status').textContent = text;
  $('why-status').classList.toggle('busy', text !== '' && !done);
}

function whyProblem(text) {
  $('why-problem').textContent = text;
  $('why-problem').hidden = text === '';
}

/** Files that were dropped or chosen. */
async function whyFiles(files) {
  if (files.length > 1) await gallery(files.filter(({ name }) => PICTURE.test(name)));
  else if (files.length) await whyFile(files[0]);
}

async function whyFile(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  await why.loading;
  if (/\.onnx$/i.test(file.name)) await whyNetwork([[{ ask: 'onnx', name: file.name }, () => bytes]], file.name);
  else await whyPhoto(file.name, bytes);
}

function whyShow() {
  if (why.engine || why.loading) return;
  why.loading = whyNetwork(PHOTOGRAPHS, 'the network').then(() => { document.documentElement.dataset.ready = 'why'; });
}

for (const id of ['why-file', 'why-folder', 'why-network']) {
  $(id).onchange = event => {
    whyFiles([...event.target.files]);
    // The same file can be chosen again.
    event.target.value = '';
  };
}
$('why-example').onclick = async () => whyPhoto('chelsea.jpg', await carried('example'));
$('why-versus').onchange = event => { why.versus = event.target.value === '' ? null : Number(event.target.value); whyMaps(); };
$('why-method').onchange = whyMaps;
$('why-layer').oninput = () => { if (whyMethod().slow) whyLayerName(); else whyMaps(); };
$('why-layer').onchange = () => { if (whyMethod().slow) whyMaps(); };
$('why-strength').oninput = whyDraw;
$('why-signed').onchange = () => { if (why.maps) whyFrames(); };
$('why-certify').onclick = whyCertify;
$('why-save').onclick = whySave;
$('why-stop').onclick = async () => {
  why.asked++;
  whyFree();
  $('why-stop').hidden = true;
  whyBusy('Stopped.', true);
  await whyAgain();
};
$('why-controls').onsubmit = event => event.preventDefault();
$('why-prepare').onsubmit = event => { event.preventDefault(); whyPrepare(); };

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
  frames: [],
  quantities: null,
  asked: 0,
};

const PHOTOGRAPHS = [[{ ask: 'photographs' }, () => carried('weights')]];
const DEFAULT_METHOD = 'grad-cam';

// ---- The network ----

async function whyNetwork(prepare, name) {
  whyBusy(`Preparing ${name}…`);
  const engine = new Engine(prepare);
  try {
    const network = await engine.ready;
    why.engine?.end('Another network took its place.');
    Object.assign(why, { engine, network, photo: null, target: null, versus: null });
    keepColours(network);
    why.quantities = Object.fromEntries(network.quantities.map(({ id, ...meaning }) => [id, meaning]));
    whyTable();
    whyMethods();
    whyBusy('');
    if (why.file) await whyPhoto(...why.file);
  } catch (error) {
    engine.end('It was refused.');
    whyBusy('');
    whyProblem(error.message);
  }
}

function whyTable() {
  const { network } = why, count = n => n ? n.toLocaleString('en') : '';
  $('why-about-title').textContent = `The network: ${network.name}, ${network.layers.length} layers, ${count(network.parameters)} weights`;
  const rows = network.layers.map(layer => make('tr', {}, make('td', { textContent: layer.name }),
    make('td', { className: 'words', textContent: layer.kind + (layer.reads ? ` (${layer.reads})` : '') }),
    make('td', { textContent: layer.output.join(' × ') }), make('td', { textContent: count(layer.parameters) }), make('td', { textContent: count(layer.work) })));
  const heads = ['Layer', 'What it does', 'Output', 'Weights', 'Multiplications'].map(text => make('th', { scope: 'col', textContent: text }));
  $('why-layers').replaceChildren(make('table', {}, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...rows)));
}

function whyMethods() {
  const { methods, spatial } = why.network, before = $('why-method').value || DEFAULT_METHOD;
  const group = (label, slow) => make('optgroup', { label },
    ...methods.filter(method => method.slow === slow).map(({ id, title }) => make('option', { value: id, textContent: title })));
  $('why-method').replaceChildren(group('At once', false), group('Slower: they run the network many times', true));
  $('why-method').value = methods.some(({ id }) => id === before) ? before : methods[0]?.id ?? '';
  $('why-layer').max = String(Math.max(spatial.length - 1, 0));
  $('why-layer').value = $('why-layer').max;
}

// ---- The photograph ----

async function whyPhoto(name, bytes) {
  if (!why.engine) await whyNetwork(PHOTOGRAPHS, 'the network');
  if (!why.engine) return;
  whyBusy('Looking…');
  why.file = [name, bytes];
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
    const button = make('button', { type: 'button', ariaPressed: String(said.class === why.target) },
      make('span', { textContent: said.name }), make('span', { textContent: said.share === null ? said.amount : percent(said.share) }));
    if (said.share !== null) button.style.setProperty('--share', `${100 * said.share}%`);
    button.onclick = () => {
      why.target = said.class;
      if (why.versus === said.class) why.versus = null;
      whyClasses();
      whyMaps();
    };
    return button;
  }));
  if (top.length === 0) $('why-classes').replaceChildren(make('p', { className: 'quiet', textContent: 'This network gives no classes, so there is nothing to ask about.' }));
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
  $('why-tells').textContent = `${method.title} (${method.source}) tells ${method.tells}. It doesn’t tell ${method.not}.`;
  $('why-for-layer').hidden = !method.layered;
  whyLayerName();
  $('why-stop').hidden = !method.slow;
  if (method.slow) whyBusy(`${method.title} runs the network many times; this may take a minute or more.`);
  try {
    const maps = [];
    for (const ask of whyAsks()) {
      maps.push(await why.engine.ask({ ask: 'explain', ...ask }));
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
  }
  $('why-stop').hidden = true;
}

/** The picture, for an instance that has lost it. */
async function whyAgain() {
  try {
    await why.engine.ask({ ask: 'photo', name: why.file[0] }, why.file[1]);
  } catch (error) {
    whyProblem(error.message);
  }
}

function whyLayerName() {
  const { spatial, layers } = why.network, name = spatial[Number($('why-layer').value)];
  const output = layers.find(layer => layer.name === name)?.output;
  $('why-layer-name').textContent = name ? `${name}${output ? `, ${output.slice(0, 2).join(' × ')} cells` : ''}` : '';
}

function whyFrames() {
  const { maps } = why;
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
    legend(scale, map, whyScale(map));
  });
  whyDraw();
}

const whyScale = map => scaleOf(map, why.quantities, $('why-signed').checked);
const sentence = text => text[0].toUpperCase() + text.slice(1) + '.';
const verdict = map => map.evidence ? `evidence, at most ${number(map.values.reduce((most, v) => Math.max(most, v)))}` : map.verdict;

function whyDraw() {
  if (!why.maps) return;
  $('why-strength-value').textContent = `${$('why-strength').value} %`;
  why.maps.forEach((map, index) => drawMap($('why-frames').children[index].children[0], why.photo, map, {
    scale: whyScale(map), opacity: Number($('why-strength').value) / 100, cell: why.cell,
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
  else if (event.key === 'Home' || (step && !why.cell)) whyMove(strongest(map, whyScale(map).signed), index);
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

// ---- Certificates and records ----

async function whyCertify() {
  whyBusy('Checking: it takes a few seconds…');
  try {
    const { certificates, holds } = await why.engine.ask({ ask: 'certify', target: whyTargets()[0] });
    const checked = holds.filter(held => held !== null), held = checked.filter(Boolean).length;
    const lines = certificates.map((certificate, index) => {
      const mark = holds[index] === null ? ['quiet', '– '] : holds[index] ? ['holds', '✓ holds: '] : ['fails', '✗ doesn’t hold: '];
      return make('li', {}, make('b', {}, make('span', { className: mark[0], textContent: mark[1] }), certificate.identity + (certificate.layer ? ` at ${certificate.layer}` : '')),
        `${sentence(certificate.meaning)} ${finding(certificate.finding)}`);
    });
    $('why-certificates').replaceChildren(
      make('p', {}, `Theory says that certain pairs of numbers are equal. They were computed in two ways, and ${held} of ${checked.length} agree up to rounding.`),
      make('details', { id: 'why-identities' }, make('summary', { textContent: 'Each of them' }), make('ul', { className: 'certificates' }, ...lines)));
    whyBusy('');
  } catch (error) {
    whyBusy('');
    whyProblem(error.message);
  }
}

/** The result of a check, in words. */
function finding(found) {
  const sides = ({ left, right, ulps, allowed }, by) => `${number(left)} and ${number(right)}: ${number(ulps)} units in the last place apart, ${by} ${number(Math.round(allowed))}.`;
  if (found.checked) return sides(found.checked, 'rounding allows');
  if (found.estimated) return sides(found.estimated, 'an estimate allows');
  if (found.inapplicable) return `It doesn’t apply: ${found.inapplicable.reason}.`;
  return `Nothing is conserved: ${number(found.unconserved.arrived)} arrives of a score of ${number(found.unconserved.score)}.`;
}

async function whySave() {
  whyBusy('Writing the record…');
  try {
    const { record } = await why.engine.ask({ ask: 'record', explained: whyAsks() });
    download(`${why.photo.name}.explained.json`, record, 'application/json');
    whyBusy('Saved. `glassbox verify` computes these maps again and compares the bits.', true);
  } catch (error) {
    whyBusy('');
    whyProblem(error.message);
  }
}

// ---- Words ----

function whyBusy(text, done = false) {
  $('why-status').textContent = text;
  $('why-status').classList.toggle('busy', text !== '' && !done);
}

function whyProblem(text) {
  $('why-problem').textContent = text;
  $('why-problem').hidden = text === '';
}

/** A file that was dropped or chosen. */
async function whyFile(file) {
  const bytes = new Uint8Array(await file.arrayBuffer());
  if (/\.onnx$/i.test(file.name)) await whyNetwork([[{ ask: 'onnx', name: file.name }, () => bytes]], file.name);
  else await whyPhoto(file.name, bytes);
}

function whyShow() {
  if (!why.engine) whyNetwork(PHOTOGRAPHS, 'the network').then(() => { document.documentElement.dataset.ready = 'why'; });
}

$('why-file').onchange = event => { if (event.target.files[0]) whyFile(event.target.files[0]); event.target.value = ''; };
$('why-network').onchange = $('why-file').onchange;
$('why-example').onclick = async () => whyPhoto('chelsea.jpg', await carried('example'));
$('why-versus').onchange = event => { why.versus = event.target.value === '' ? null : Number(event.target.value); whyMaps(); };
$('why-method').onchange = whyMaps;
$('why-layer').oninput = whyMaps;
$('why-strength').oninput = whyDraw;
$('why-signed').onchange = () => { if (why.maps) whyFrames(); };
$('why-certify').onclick = whyCertify;
$('why-save').onclick = whySave;
$('why-stop').onclick = async () => { why.asked++; why.engine.stop(); $('why-stop').hidden = true; whyBusy('Stopped.', true); await whyAgain(); };
$('why-controls').onsubmit = event => event.preventDefault();

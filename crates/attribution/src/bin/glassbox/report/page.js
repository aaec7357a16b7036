'use strict';
// What stands in the page's blocks of JSON is shown as text and in colours, never as markup.

const $ = id => document.getElementById(id);
const shared = JSON.parse($('shared').textContent);
const colours = { strength: bytesOfHex(shared.strength), signed: bytesOfHex(shared.signed) };
const NOT_A_NUMBER = 128;

// What is shown: a picture, its maps, one of them, and the cell that is pointed at.
let entry = null, values = null, image = null, map = null, cell = null;

function bytesOfHex(hex) {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- Values ----

async function inflate(text) {
  const deflated = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function valuesOf({ form, at, rows, columns, most }) {
  const count = rows * columns;
  if (form === 'exact') return new Float32Array(values.buffer, at, count);
  const bytes = new Int8Array(values.buffer, at, count);
  return Float32Array.from(bytes, q => q === -128 ? NaN : Math.sign(q) * (q / 127) ** 2 * most);
}

// ---- Geometry: pairs are [down, right] ----

// The place among the cells, as a fraction, of a place on the input, both measured in their own units.
function cellAt(axis, point) {
  const count = axis === 0 ? map.rows : map.columns;
  if (map.cells) return (point - map.cells.first[axis]) / map.cells.stride[axis];
  return point * count / entry.input[axis] - 0.5;
}

// What a cell reads of the input, padding left out: [from, to] for each axis.
function reads([row, column]) {
  return [row, column].map((index, axis) => {
    const { first, stride, field } = map.cells;
    const centre = first[axis] + index * stride[axis];
    const edge = side => Math.min(Math.max(centre + side * field[axis] / 2, 0), entry.input[axis]);
    return [edge(-1), edge(1)];
  });
}

// What lies nearer to a cell than to any other.
function area([row, column]) {
  const stride = map.cells ? map.cells.stride : [entry.input[0] / map.rows, entry.input[1] / map.columns];
  const first = map.cells ? map.cells.first : stride.map(step => step / 2);
  return [row, column].map((index, axis) => [-0.5, 0.5].map(side => first[axis] + (index + side) * stride[axis]));
}

// A rectangle on the input as one on the canvas: x, y, width, height.
function onCanvas([[top, bottom], [left, right]]) {
  const [partTop, partLeft, partHeight, partWidth] = entry.part;
  const [height, width] = entry.input, scale = $('canvas').width / entry.picture[1];
  const y = v => (partTop + v * partHeight / height) * scale, x = v => (partLeft + v * partWidth / width) * scale;
  return [x(left), y(top), x(right) - x(left), y(bottom) - y(top)];
}

// ---- Drawing ----

const quantity = () => shared.quantities[map.quantity];
// Evidence is drawn with its negative values if that is asked for.
const signedScale = () => quantity().signed || (map.quantity === 'evidence' && $('signed').checked);
// The value that gets the full colour.
const full = () => signedScale() && !quantity().signed ? map.most : map.full;

// Bilinear between the cells' true places, as large as the input; pixels stay as they are.
function enlarged(of) {
  const [height, width] = entry.input, { rows, columns } = map;
  const taps = (axis, count, size) => Array.from({ length: size }, (_, i) => {
    const at = Math.min(Math.max(cellAt(axis, i + 0.5), 0), count - 1);
    const near = map.pixels ? Math.round(at) : Math.floor(at);
    return [near, Math.min(near + 1, count - 1), map.pixels ? 0 : at - near];
  });
  const down = taps(0, rows, height), right = taps(1, columns, width);
  const out = new Float32Array(height * width);
  const value = (row, column) => of(map.values[row * columns + column]);
  const blend = (a, b, t) => t === 0 ? a : a + t * (b - a);
  for (let y = 0; y < height; y++) {
    const [above, below, t] = down[y];
    for (let x = 0; x < width; x++) {
      const [near, far, s] = right[x];
      out[y * width + x] = blend(blend(value(above, near), value(above, far), s), blend(value(below, near), value(below, far), s), t);
    }
  }
  return out;
}

// The map in colours: opaque where it is strong, and everywhere if each pixel has a value of its own.
function painted() {
  const [height, width] = entry.input, opacity = $('opacity').value / 100, signed = signedScale(), limit = full();
  const strengths = enlarged(signed ? v => v : strengthOf);
  const layer = new OffscreenCanvas(width, height), context = layer.getContext('2d');
  const picture = context.createImageData(width, height), lut = signed ? colours.signed : colours.strength;
  strengths.forEach((value, i) => {
    const t = value === 0 ? 0 : Math.min(Math.max(value / limit, -1), 1);
    const rgb = Number.isNaN(t) ? [NOT_A_NUMBER, NOT_A_NUMBER, NOT_A_NUMBER]
      : lut.subarray(3 * Math.round(255 * (signed ? (t + 1) / 2 : t))).subarray(0, 3);
    picture.data.set(rgb, 4 * i);
    picture.data[4 * i + 3] = 255 * opacity * (map.pixels || Number.isNaN(t) ? 1 : Math.abs(t));
  });
  context.putImageData(picture, 0, 0);
  return layer;
}

// How strongly a value counts: evidence if it is positive, a magnitude as it is.
function strengthOf(value) {
  const strength = map.quantity === 'evidence' ? value : Math.abs(value);
  return strength > 0 && Number.isFinite(strength) ? strength : 0;
}

function draw() {
  if (!entry || !image.naturalWidth) return;
  const canvas = $('canvas'), context = canvas.getContext('2d');
  const [height, width] = entry.picture, room = canvas.parentElement.clientWidth - 16;
  // No larger than what can be seen at once.
  const tallest = Math.min(640, 0.72 * window.innerHeight);
  const shownWidth = Math.min(room, 640, tallest * width / height), ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${shownWidth}px`;
  canvas.width = Math.round(shownWidth * ratio);
  canvas.height = Math.round(shownWidth * height / width * ratio);
  context.imageSmoothingEnabled = !entry.pixelated;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  if (map.evidence) {
    context.imageSmoothingEnabled = !map.pixels;
    context.drawImage(painted(), ...onCanvas([[0, entry.input[0]], [0, entry.input[1]]]));
  }
  if (entry.truth && entry.truth.place) {
    const [top, left, tall, wide] = entry.truth.place;
    frame(context, onCanvas([[top, top + tall], [left, left + wide]]), ratio, []);
  }
  if (cell) {
    if (map.cells && !map.pixels) frame(context, onCanvas(reads(cell)), ratio, [6, 4]);
    frame(context, onCanvas(area(cell)), ratio, []);
  }
}

// White on black, to be seen on anything.
function frame(context, [x, y, width, height], ratio, dash) {
  context.setLineDash(dash.map(length => length * ratio));
  for (const [colour, thickness] of [['#000', 4], ['#fff', 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness * ratio;
    context.strokeRect(x, y, width, height);
  }
  context.setLineDash([]);
}

function drawScale() {
  const canvas = $('scale'), context = canvas.getContext('2d'), lut = signedScale() ? colours.signed : colours.strength;
  const picture = context.createImageData(256, 1);
  for (let i = 0; i < 256; i++) picture.data.set([...lut.subarray(3 * i, 3 * i + 3), 255], 4 * i);
  context.putImageData(picture, 0, 0);
  // Negative evidence speaks against the target, as a negative contribution does.
  const [least, most] = signedScale() && !quantity().signed ? shared.quantities.contribution.ends : quantity().ends;
  $('least').textContent = `${least}, ${number(signedScale() ? -full() : 0)}`;
  $('most').textContent = `${most}, ${number(full())}`;
  canvas.parentElement.hidden = !map.evidence;
}

// ---- Words ----

function number(value) {
  if (!Number.isFinite(value)) return 'not a number';
  if (value === 0) return '0';
  const size = Math.abs(value), text = size >= 0.001 && size < 10000 ? Number(size.toPrecision(4)).toString() : size.toExponential(2);
  return (value < 0 ? '−' : '') + text;
}

function readOut() {
  if (!cell) {
    $('readout').textContent = '';
    return;
  }
  const [row, column] = cell, value = map.values[row * map.columns + column];
  const where = map.pixels
    ? map.cells.stride[0] === 1 ? 'Pixel of the input' : `Mean of ${map.cells.stride.join(' × ')} pixels of the input`
    : `Cell of ${map.layer || 'the map'}`;
  const share = Number.isFinite(value) && map.most > 0 ? `, ${Math.round(100 * value / map.most)} % of the strongest`.replace('-', '−') : '';
  const text = [`${where}, row ${row}, column ${column} of ${map.rows} × ${map.columns}: ${map.form === 'exact' ? '' : '≈ '}${number(value)}${share}.`];
  if (map.cells && !map.pixels) {
    const [[top, bottom], [left, right]] = reads(cell);
    text.push(`It reads rows ${top} to ${bottom - 1} and columns ${left} to ${right - 1} of the input, ${entry.input.join(' × ')} (dashed).`);
  }
  $('readout').textContent = text.join(' ');
}

function facts() {
  const answers = entry.top.map(([name, probability]) => make('li', {},
    make('span', { textContent: name, title: name }),
    make('progress', { className: 'bar', value: probability, max: 1, ariaLabel: `Probability of ${name}` }),
    make('b', { textContent: `${(100 * probability).toFixed(1)} %` })));
  const parts = [make('h4', { textContent: 'What the network says' }), make('ul', { className: 'answers' }, ...answers)];
  if (entry.truth) {
    const where = entry.truth.place ? '; it is in the solid frame' : '';
    parts.push(make('p', { className: 'quiet', textContent: `True class: ${entry.truth.class}${where}.` }));
  }
  parts.push(make('h4', { textContent: 'This map' }));
  const verdict = map.evidence ? `evidence, at most ${number(map.values.reduce((most, v) => Math.max(most, v)))}` : map.verdict;
  const said = [`Why ${entry.classes[$('class').value].why}?`, verdict[0].toUpperCase() + verdict.slice(1) + '.'];
  if (map.rule) said.push(map.rule);
  parts.push(make('p', { className: 'quiet', id: 'said', textContent: said.join(' ') }));
  if (entry.certificates.length > 0) {
    const checked = entry.certificates.filter(line => line.holds !== null);
    const held = checked.filter(line => line.holds).length;
    const lines = entry.certificates.map(({ identity, meaning, layer, finding, holds }) => make('li', {},
      make('b', {}, make('span', { className: holds === null ? 'quiet' : holds ? 'holds' : 'fails', textContent: holds === null ? '– ' : holds ? '✓ holds: ' : '✗ doesn’t hold: ' }),
        identity + (layer ? ` at ${layer}` : '')),
      `${meaning}. ${finding}.`));
    parts.push(make('details', { id: 'certificates' },
      make('summary', { textContent: `Certificates: ${held} of ${checked.length} hold` }), make('ul', { className: 'certificates' }, ...lines)));
  }
  const open = $('certificates') && $('certificates').open;
  $('facts').replaceChildren(...parts);
  if (open && $('certificates')) $('certificates').open = true;
}

// ---- Choices ----

const classMaps = () => entry.classes[$('class').value].maps;
const chosenMethod = () => document.querySelector('#method input:checked').value;

function fill(select, texts, keep) {
  const before = keep && select.selectedOptions[0] ? select.selectedOptions[0].textContent : null;
  select.replaceChildren(...texts.map((text, value) => make('option', { value, textContent: text })));
  const again = texts.indexOf(before);
  select.value = again >= 0 ? again : keep === 'last' ? texts.length - 1 : 0;
}

// From the choice that was made down to the picture.
function chooseClass() {
  const present = new Set(classMaps().map(map => map.method));
  const before = document.querySelector('#method input:checked');
  const offered = shared.methods.filter(method => present.has(method.id));
  const chosen = before && present.has(before.value) ? before.value : offered[0].id;
  const had = [...document.querySelectorAll('#method input')].map(input => input.value).join();
  if (had !== offered.map(method => method.id).join()) {
    $('method').replaceChildren(...offered.map(({ id, title }) =>
      make('label', {}, make('input', { type: 'radio', name: 'method', value: id, checked: id === chosen }), title)));
  }
  chooseMethod();
}

function chooseMethod() {
  const { can, cannot } = shared.methods.find(method => method.id === chosenMethod());
  $('tells').textContent = `Tells ${can}. Doesn’t tell ${cannot}.`;
  const maps = classMaps().filter(map => map.method === chosenMethod());
  fill($('layer'), maps.map(map => map.layer || (map.pixels ? 'the image' : 'the picture')), 'last');
  $('for-layer').hidden = maps.length < 2 && maps[0].layer === '';
  chooseLayer();
}

function chooseLayer() {
  const found = classMaps().filter(map => map.method === chosenMethod())[$('layer').value];
  if (!map || map.rows !== found.rows || map.columns !== found.columns) cell = null;
  map = { ...found, values: valuesOf(found) };
  $('for-signed').hidden = map.quantity !== 'evidence';
  $('verdict').hidden = map.evidence;
  $('verdict').textContent = map.evidence ? '' : `Nothing to show: ${map.verdict}.`;
  facts();
  show();
}

function show() {
  $('strength').textContent = `${$('opacity').value} %`;
  drawScale();
  draw();
  readOut();
}

async function choosePicture(place) {
  const found = JSON.parse($(`entry-${place}`).textContent);
  const bytes = await inflate(found.values);
  const element = document.querySelector(`input[name="picture"][value="${place}"] + img`);
  element.loading = 'eager';
  await element.decode().catch(() => {});
  if (document.querySelector('input[name="picture"]:checked').value !== String(place)) return; // another was chosen meanwhile
  [entry, values, image, map, cell] = [found, bytes, element, null, null];
  $('name').textContent = entry.name;
  fill($('class'), entry.classes.map(({ why }) => why), 'first');
  chooseClass();
  document.documentElement.dataset.shown = place;
}

// ---- Pointing ----

function point(event) {
  const box = $('canvas').getBoundingClientRect(), [top, left, height, width] = entry.part;
  const place = [(event.clientY - box.top) / box.height * entry.picture[0] - top, (event.clientX - box.left) / box.width * entry.picture[1] - left];
  const input = [place[0] * entry.input[0] / height, place[1] * entry.input[1] / width];
  const inside = input.every((v, axis) => v >= 0 && v < entry.input[axis]);
  move(inside ? input.map((v, axis) => Math.round(cellAt(axis, v))) : null);
}

function move(to) {
  const held = to && [Math.min(Math.max(to[0], 0), map.rows - 1), Math.min(Math.max(to[1], 0), map.columns - 1)];
  if (String(held) === String(cell)) return;
  cell = held;
  draw();
  readOut();
}

function strongest() {
  const size = v => Number.isFinite(v) ? (signedScale() ? Math.abs(v) : v) : -Infinity;
  const at = map.values.reduce((best, v, i) => size(v) > size(map.values[best]) ? i : best, 0);
  return [Math.floor(at / map.columns), at % map.columns];
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function press(event) {
  if (event.key === 'Home') move(strongest());
  else if (event.key === 'Escape') move(null);
  else if (STEPS[event.key]) move(cell ? cell.map((v, axis) => v + STEPS[event.key][axis]) : strongest());
  else return;
  event.preventDefault();
}

// ---- Tables ----

function sort(button) {
  const head = button.closest('th'), table = head.closest('table'), column = [...head.parentElement.children].indexOf(head);
  // Figures begin with the largest, names with the first.
  const up = head.getAttribute('aria-sort') ? head.getAttribute('aria-sort') === 'descending' : column === 0;
  const key = row => column === 0 ? row.children[0].textContent : Number(row.children[column].dataset.value ?? NaN);
  const compare = (a, b) => {
    const [x, y] = [key(a), key(b)];
    if (column > 0 && (Number.isNaN(x) || Number.isNaN(y))) return Number.isNaN(x) - Number.isNaN(y); // last, either way
    return (up ? 1 : -1) * (column === 0 ? x.localeCompare(y) : x - y);
  };
  const body = table.tBodies[0];
  body.append(...[...body.rows].sort(compare));
  table.querySelectorAll('[aria-sort]').forEach(other => other.removeAttribute('aria-sort'));
  head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
}

document.querySelectorAll('.sortable thead button').forEach(button => button.addEventListener('click', () => sort(button)));

if ($('canvas')) {
  document.querySelector('.gallery').addEventListener('change', event => choosePicture(event.target.value));
  $('controls').addEventListener('submit', event => event.preventDefault());
  $('class').addEventListener('change', chooseClass);
  $('method').addEventListener('change', chooseMethod);
  $('layer').addEventListener('change', chooseLayer);
  $('opacity').addEventListener('input', show);
  $('signed').addEventListener('change', show);
  $('canvas').addEventListener('pointermove', point);
  $('canvas').addEventListener('pointerdown', point);
  $('canvas').addEventListener('keydown', press);
  new ResizeObserver(() => requestAnimationFrame(draw)).observe($('canvas').parentElement);
  const first = document.querySelector('input[name="picture"]:checked') ?? document.querySelector('input[name="picture"]');
  first.checked = true;
  choosePicture(first.value);
}

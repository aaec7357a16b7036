// @ts-check
/// <reference path="pure.js" />
// What stands in the page's blocks of JSON is shown as text and in colours, never as markup.

/**
 * What is shown: a picture, the values of its maps, one map, and the cell that is pointed at.
 *
 * @typedef {{ entry: Data, buffer: ArrayBuffer, image: HTMLImageElement, map: Decoded, cell: Pair | null }} State
 */

/**
 * The first element that a selector finds.
 *
 * @template {Element} T
 * @param {string} selector
 * @param {new () => T} kind
 */
function only(selector, kind) {
  const found = document.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`expected ${selector} to be an ${kind.name}`);
  return found;
}

/** @param {string} id */
const $ = id => only(`#${id}`, HTMLElement);

// A report without pictures has none of these.
const controls = {
  get canvas() { return only('#canvas', HTMLCanvasElement); },
  get class() { return only('#class', HTMLSelectElement); },
  get layer() { return only('#layer', HTMLSelectElement); },
  get opacity() { return only('#opacity', HTMLInputElement); },
  get signed() { return only('#signed', HTMLInputElement); },
  get method() { return only('#method input:checked', HTMLInputElement).value; },
};

/** @type {Shared} */
const shared = JSON.parse($('shared').textContent);
const colours = { strength: bytesOfHex(shared.strength), signed: bytesOfHex(shared.signed) };

/** @type {State | null} */
let state = null;

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Partial<HTMLElementTagNameMap[Tag]>} properties
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// ---- Drawing ----

/** @param {Drawn} map */
const scaleFor = map => scaleOf(map, shared.quantities, controls.signed.checked);

/** @param {HTMLCanvasElement} canvas */
function contextOf(canvas) {
  const context = canvas.getContext('2d');
  if (!context) throw new Error('the browser has no room for a drawing');
  return context;
}

/**
 * The map in colours, as large as the input.
 *
 * @param {State} state
 */
function painted({ entry, map }) {
  const [height, width] = entry.input, scale = scaleFor(map), opacity = Number(controls.opacity.value) / 100;
  const values = enlarged(map, entry.input, scale.signed ? v => v : v => strengthOf(map.quantity, v));
  const pixels = coloured(values, scale, scale.signed ? colours.signed : colours.strength, opacity, map.pixels);
  const layer = make('canvas', { width, height });
  contextOf(layer).putImageData(new ImageData(pixels, width, height), 0, 0);
  return layer;
}

/** @param {State} state */
function draw(state) {
  const { entry, image, map, cell } = state;
  if (!image.naturalWidth) return;
  const { canvas } = controls, context = contextOf(canvas);
  const [height, width] = entry.picture, room = only('.frame', HTMLElement).clientWidth - 16;
  // No larger than what can be seen at once.
  const tallest = Math.min(640, 0.72 * window.innerHeight);
  const shownWidth = Math.min(room, 640, tallest * width / height), ratio = window.devicePixelRatio || 1;
  canvas.style.width = `${shownWidth}px`;
  canvas.width = Math.round(shownWidth * ratio);
  canvas.height = Math.round(shownWidth * height / width * ratio);
  context.imageSmoothingEnabled = !entry.pixelated;
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  /** @param {Edges} edges */
  const place = edges => onCanvas(entry, canvas.width, edges);
  if (map.evidence) {
    context.imageSmoothingEnabled = !map.pixels;
    context.drawImage(painted(state), ...place([[0, entry.input[0]], [0, entry.input[1]]]));
  }
  if (entry.truth && entry.truth.place) {
    const [top, left, tall, wide] = entry.truth.place;
    frame(context, place([[top, top + tall], [left, left + wide]]), ratio, []);
  }
  if (cell) {
    if (map.cells && !map.pixels) frame(context, place(reads(map.cells, entry.input, cell)), ratio, [6, 4]);
    frame(context, place(area(map, entry.input, cell)), ratio, []);
  }
}

/**
 * White on black, to be seen on anything.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {[x: number, y: number, width: number, height: number]} place
 * @param {number} ratio
 * @param {number[]} dash
 */
function frame(context, place, ratio, dash) {
  context.setLineDash(dash.map(length => length * ratio));
  for (const [colour, thickness] of /** @type {const} */ ([['#000', 4], ['#fff', 2]])) {
    context.strokeStyle = colour;
    context.lineWidth = thickness * ratio;
    context.strokeRect(...place);
  }
  context.setLineDash([]);
}

/** @param {State} state */
function drawScale({ map }) {
  const { signed, full, ends: [least, most] } = scaleFor(map), lut = signed ? colours.signed : colours.strength;
  const context = contextOf(only('#scale', HTMLCanvasElement)), steps = lut.length / 3;
  const picture = context.createImageData(steps, 1);
  picture.data.fill(255);
  for (let i = 0; i < steps; i++) picture.data.set(lut.subarray(3 * i, 3 * i + 3), 4 * i);
  context.putImageData(picture, 0, 0);
  $('least').textContent = `${least}, ${number(signed ? -full : 0)}`;
  $('most').textContent = `${most}, ${number(full)}`;
  only('.scale', HTMLElement).hidden = !map.evidence;
}

// ---- Words ----

/** @param {State} state */
function readOut({ entry, map, cell }) {
  if (!cell) {
    $('readout').textContent = '';
    return;
  }
  const [row, column] = cell, value = map.values[row * map.columns + column], stride = map.pixels && map.cells?.stride;
  const where = !stride ? `Cell of ${map.layer || 'the map'}`
    : stride[0] === 1 ? 'Pixel of the input' : `Mean of ${stride.join(' × ')} pixels of the input`;
  const share = Number.isFinite(value) && map.most > 0 ? `, ${Math.round(100 * value / map.most)} % of the strongest`.replace('-', '−') : '';
  const text = [`${where}, row ${row}, column ${column} of ${map.rows} × ${map.columns}: ${map.form === 'exact' ? '' : '≈ '}${number(value)}${share}.`];
  if (map.cells && !map.pixels) {
    const [[top, bottom], [left, right]] = reads(map.cells, entry.input, cell);
    text.push(`It reads rows ${top} to ${bottom - 1} and columns ${left} to ${right - 1} of the input, ${entry.input.join(' × ')} (dashed).`);
  }
  $('readout').textContent = text.join(' ');
}

/** @param {State} state */
function facts({ entry, map }) {
  const answers = entry.top.map(([name, share, amount]) => make('li', {},
    make('span', { textContent: name, title: name }),
    ...(share === null ? [] : [make('progress', { className: 'bar', value: share, max: 1, ariaLabel: `${name}: ${amount}` })]),
    make('b', { textContent: amount })));
  /** @type {HTMLElement[]} */
  const parts = [make('h4', { textContent: 'What the network says' }), make('ul', { className: 'answers' }, ...answers)];
  if (entry.truth) {
    const where = entry.truth.place ? '; it is in the solid frame' : '';
    parts.push(make('p', { className: 'quiet', textContent: `True class: ${entry.truth.class}${where}.` }));
  }
  parts.push(make('h4', { textContent: 'This map' }));
  const verdict = map.evidence ? `evidence, at most ${number(map.values.reduce((most, v) => Math.max(most, v)))}` : map.verdict;
  const said = [`Why ${chosenClass(entry).why}?`, verdict[0].toUpperCase() + verdict.slice(1) + '.'];
  if (map.rule) said.push(map.rule);
  parts.push(make('p', { className: 'quiet', id: 'said', textContent: said.join(' ') }));
  if (entry.certificates.length > 0) parts.push(certificates(entry.certificates));
  $('facts').replaceChildren(...parts);
}

/** @param {Line[]} all */
function certificates(all) {
  const checked = all.filter(line => line.holds !== null), held = checked.filter(line => line.holds).length;
  const lines = all.map(({ identity, meaning, layer, finding, holds }) => make('li', {},
    make('b', {}, make('span', { className: holds === null ? 'quiet' : holds ? 'holds' : 'fails', textContent: holds === null ? '– ' : holds ? '✓ holds: ' : '✗ doesn’t hold: ' }),
      identity + (layer ? ` at ${layer}` : '')),
    `${meaning}. ${finding}.`));
  // What was unfolded stays so.
  const open = document.querySelector('#certificates[open]') !== null;
  return make('details', { id: 'certificates', open },
    make('summary', { textContent: `Certificates: ${held} of ${checked.length} hold` }), make('ul', { className: 'certificates' }, ...lines));
}

// ---- Choices ----

/** @param {Data} entry */
const chosenClass = entry => entry.classes[controls.class.selectedIndex];
/** @param {Data} entry */
const chosenMaps = entry => chosenClass(entry).maps.filter(({ method }) => method === controls.method);

/**
 * @param {HTMLSelectElement} select
 * @param {string[]} texts
 * @param {number} otherwise What is chosen where the present choice isn't among them.
 */
function fill(select, texts, otherwise) {
  const kept = texts.indexOf(select.selectedOptions[0]?.textContent);
  select.replaceChildren(...texts.map((text, i) => make('option', { value: String(i), textContent: text })));
  select.selectedIndex = kept >= 0 ? kept : otherwise;
}

/**
 * From the choice that was made down to the picture.
 *
 * @param {State} state
 */
function chooseClass(state) {
  const present = new Set(chosenClass(state.entry).maps.map(({ method }) => method));
  const before = document.querySelector('#method input:checked');
  const offered = shared.methods.filter(({ id }) => present.has(id));
  const chosen = before instanceof HTMLInputElement && present.has(before.value) ? before.value : offered[0].id;
  $('method').replaceChildren(...offered.map(({ id, title }) => {
    const choice = make('input', { type: 'radio', name: 'method', value: id, checked: id === chosen });
    return make('label', {}, choice, title);
  }));
  chooseMethod(state);
}

/** @param {State} state */
function chooseMethod(state) {
  for (const { id, can, cannot } of shared.methods) {
    if (id === controls.method) $('tells').textContent = `Tells ${can}. Doesn’t tell ${cannot}.`;
  }
  const maps = chosenMaps(state.entry);
  fill(controls.layer, maps.map(({ layer, pixels }) => layer || (pixels ? 'the image' : 'the picture')), maps.length - 1);
  $('for-layer').hidden = maps.length < 2 && maps[0].layer === '';
  chooseLayer(state);
}

/** @param {State} state */
function chooseLayer(state) {
  const found = chosenMaps(state.entry)[controls.layer.selectedIndex];
  if (state.map.rows !== found.rows || state.map.columns !== found.columns) state.cell = null;
  state.map = decoded(found, state.buffer);
  $('for-signed').hidden = found.quantity !== 'evidence';
  $('verdict').hidden = found.evidence;
  $('verdict').textContent = found.evidence ? '' : `Nothing to show: ${found.verdict}.`;
  facts(state);
  show(state);
}

/** @param {State} state */
function show(state) {
  $('strength').textContent = `${controls.opacity.value} %`;
  drawScale(state);
  draw(state);
  readOut(state);
}

/** @param {string} place The picture's, in the gallery. */
async function choosePicture(place) {
  /** @type {Data} */
  const entry = JSON.parse($(`entry-${place}`).textContent);
  const buffer = await inflate(entry.values);
  const image = only(`input[name="picture"][value="${place}"] + img`, HTMLImageElement);
  image.loading = 'eager';
  await image.decode().catch(() => {});
  if (only('input[name="picture"]:checked', HTMLInputElement).value !== place) return; // another was chosen meanwhile
  state = { entry, buffer, image, map: decoded(entry.classes[0].maps[0], buffer), cell: null };
  $('name').textContent = entry.name;
  fill(controls.class, entry.classes.map(({ why }) => why), 0);
  chooseClass(state);
  document.documentElement.dataset.shown = place;
}

// ---- Pointing ----

/**
 * @param {State} state
 * @param {PointerEvent} event
 */
function point(state, event) {
  const { part: [top, left, height, width], picture, input } = state.entry, box = controls.canvas.getBoundingClientRect();
  const y = (event.clientY - box.top) / box.height * picture[0] - top, x = (event.clientX - box.left) / box.width * picture[1] - left;
  const inside = y >= 0 && y < height && x >= 0 && x < width;
  move(state, inside ? nearest(state.map, input, [y * input[0] / height, x * input[1] / width]) : null);
}

/**
 * @param {State} state
 * @param {Pair | null} cell
 */
function move(state, cell) {
  if (String(cell) === String(state.cell)) return;
  state.cell = cell;
  draw(state);
  readOut(state);
}

/** @type {Record<string, Pair>} */
const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

/**
 * @param {State} state
 * @param {KeyboardEvent} event
 */
function press(state, event) {
  const { map, cell } = state, step = STEPS[event.key];
  if (event.key === 'Escape') move(state, null);
  else if (event.key === 'Home' || (step && !cell)) move(state, strongest(map, scaleFor(map).signed));
  else if (step && cell) move(state, held(map, axes(axis => cell[axis] + step[axis])));
  else return;
  event.preventDefault();
}

// ---- Tables ----

/** @param {Element} button Of a column's head. */
function sort(button) {
  const head = button.closest('th'), table = button.closest('table');
  if (!head || !table) return;
  // Figures begin with the largest, names with the first.
  const column = head.cellIndex, before = head.getAttribute('aria-sort'), up = before ? before === 'descending' : column === 0;
  /** @param {HTMLTableRowElement} row */
  const key = row => column === 0 ? row.cells[0].textContent : Number(row.cells[column].dataset.value ?? NaN);
  const body = table.tBodies[0];
  body.append(...Array.from(body.rows).sort((a, b) => inOrder(key(a), key(b), up)));
  table.querySelectorAll('[aria-sort]').forEach(other => other.removeAttribute('aria-sort'));
  head.setAttribute('aria-sort', up ? 'ascending' : 'descending');
}

document.querySelectorAll('.sortable thead button').forEach(button => button.addEventListener('click', () => sort(button)));

// ---- Events ----

/**
 * Has something done when an event comes, once a picture is shown.
 *
 * @template {keyof HTMLElementEventMap} Name
 * @param {HTMLElement} element
 * @param {Name} name
 * @param {(state: State, event: HTMLElementEventMap[Name]) => void} act
 */
function on(element, name, act) {
  element.addEventListener(name, event => { if (state) act(state, event); });
}

if (document.querySelector('.gallery')) {
  only('.gallery', HTMLElement).addEventListener('change', ({ target }) => {
    if (target instanceof HTMLInputElement) choosePicture(target.value);
  });
  $('controls').addEventListener('submit', event => event.preventDefault());
  on(controls.class, 'change', chooseClass);
  on($('method'), 'change', chooseMethod);
  on(controls.layer, 'change', chooseLayer);
  on(controls.opacity, 'input', show);
  on(controls.signed, 'change', show);
  on(controls.canvas, 'pointermove', point);
  on(controls.canvas, 'pointerdown', point);
  on(controls.canvas, 'keydown', press);
  new ResizeObserver(() => requestAnimationFrame(() => { if (state) draw(state); })).observe(only('.frame', HTMLElement));
  choosePicture(only('input[name="picture"]:checked', HTMLInputElement).value);
}

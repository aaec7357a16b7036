'use strict';
// The book, alive: pieces that can be touched. They ask the network that learns.

const book = {
  picture: 0,
  convolution: { kernel: [-1, 0, 1, -2, 0, 2, -1, 0, 1], at: [14, 14], result: null, rows: null },
  field: { layers: null, cell: [0, 0] },
  tape: { answer: null, at: 0 },
  relu: { x: [1.5, -0.8, 0.6, -2, 2.2], upstream: [0.7, 1.2, -0.9, -0.4, 0.3] },
};

const KERNELS = {
  'edges, left to right': [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  'edges, top to bottom': [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  'blur': [1, 2, 1, 2, 4, 2, 1, 2, 1].map(v => v / 16),
  'sharpen': [0, -1, 0, -1, 5, -1, 0, -1, 0],
  'as it is': [0, 0, 0, 0, 1, 0, 0, 0, 0],
};

const RULES = {
  exact: ['The chain rule', 'what a small change really does'],
  deconvnet: ['Deconvnet', 'only positive gradients pass'],
  guided: ['Guided', 'only positive gradients of positive values pass'],
};

/** What an operation does, and what it does to a gradient. */
const OPERATIONS = {
  'conv2d': 'Each value was a weighted sum of a window. Its gradient goes back to every pixel of that window, times the same weights.',
  'relu': 'Negative values were set to 0. The chain rule stops the gradient there; the other rules also stop negative gradients.',
  'max pool': 'Of each 2 × 2 positions the largest passed. The gradient goes back to that one, the others get 0.',
  'batch norm': 'Each feature was shifted and scaled. Its gradient is scaled the same way.',
  'global average pool': 'Each feature was averaged over all positions. Every position gets an equal share of the gradient.',
  'linear': 'Each score is a weighted sum of the features. The gradient of the chosen score is the row of its weights.',
  'reshape': 'Only the arrangement changed, so the gradient is only rearranged.',
};

// ---- Which pieces are shown ----

async function bookShow() {
  const [, query = ''] = location.hash.split('?'), asked = Number(new URLSearchParams(query).get('picture') ?? book.picture);
  if (!learn.begun) {
    bookSay('Preparing…');
    readAddress();
    learnBlocks();
    learnRate();
    await learnBegin();
    if (!learn.begun) return;
    // A network that has learnt a little has more to show.
    for (let i = 0; i < 10 && learn.steps.length < 40; i++) if (!await learnSteps(4)) break;
    await learnLook();
  }
  const { labels } = learn.begun;
  book.picture = asked < labels.length ? asked : 0;
  bookPictures();
  await bookPicture();
  const piece = document.getElementById(location.hash.slice(1).split('?')[0]);
  piece?.scrollIntoView();
  document.documentElement.dataset.ready = 'book';
}

function bookSay(text) {
  $('book-status').textContent = text;
  $('book-status').classList.toggle('busy', text.endsWith('…'));
}

function bookProblem(text) {
  $('book-problem').textContent = text;
  $('book-problem').hidden = text === '';
}

function bookPictures() {
  const { labels, classes } = learn.begun;
  $('book-pictures').replaceChildren(...labels.map((label, index) => {
    const canvas = make('canvas', { width: SIDE, height: SIDE }), input = make('input', { type: 'radio', name: 'book-picture', className: 'unseen', checked: index === book.picture });
    paintTile(canvas, watchedPixels(index), null);
    canvas.setAttribute('aria-hidden', 'true');
    input.onchange = () => { book.picture = index; bookPicture(); };
    return make('label', { title: classes[label] }, input, make('span', { className: 'unseen', textContent: classes[label] }), canvas);
  }));
}

async function bookPicture() {
  try {
    const steps = learn.steps.length;
    bookSay(`The network has learnt ${steps} steps so far.`);
    await Promise.all([bookConvolve(), bookFields(), bookTape()]);
    await bookRelu();
    await bookCheck();
    bookProblem('');
  } catch (error) {
    bookProblem(error.message);
  }
}

// ---- Canvases of values ----

/** Values `[rows, columns]` as a canvas of so many pixels, in the signed colours, up to `most`, or in grey from 0 to 1. */
function valueCanvas(values, rows, columns, most) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) {
    const shade = most === null ? null : colours.signed.subarray(3 * Math.round(127.5 * (1 + clamp(most > 0 ? values[i] / most : 0, -1, 1))));
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = shade ? shade[c] : 255 * values[i];
    image.data[4 * i + 3] = 255;
  }
  const canvas = make('canvas', { width: columns, height: rows });
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

const PIXELS = 12;

/** Enlarges values into a canvas, with frames at places in cells. */
function drawValues(canvas, small, frames = []) {
  const [width, height] = [small.width * PIXELS, small.height * PIXELS];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
  for (const { at: [row, column], size: [tall, wide], dash } of frames) frame(context, [column * PIXELS, row * PIXELS, wide * PIXELS, tall * PIXELS], 1.4, dash ?? []);
}

const grey = () => Float32Array.from(watchedPixels(book.picture), v => v / 255);

/** Moves a place by pointer and by keyboard. */
function movable(canvas, rows, columns, get, set) {
  const to = (row, column) => set([clamp(row, 0, rows() - 1), clamp(column, 0, columns() - 1)]);
  canvas.onpointerdown = canvas.onpointermove = event => {
    if (event.type === 'pointermove' && event.pointerType !== 'mouse' && event.buttons === 0) return;
    const box = canvas.getBoundingClientRect();
    to(Math.floor((event.clientY - box.top) / box.height * rows()), Math.floor((event.clientX - box.left) / box.width * columns()));
  };
  canvas.onkeydown = event => {
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    to(get()[0] + step[0], get()[1] + step[1]);
  };
}

// ---- Convolution ----

async function bookConvolve() {
  const { convolution } = book, pixels = Uint8Array.from(watchedPixels(book.picture));
  Object.assign(convolution, await learn.engine.ask({ ask: 'convolve', kernel: convolution.kernel, size: [SIDE, SIDE] }, pixels));
  bookWindow();
}

function bookWindow() {
  const { kernel, at: [row, column], result, rows } = book.convolution, at = row * SIDE + column;
  const window = rows.subarray(9 * at, 9 * at + 9), most = result.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  drawValues($('conv-input'), valueCanvas(grey(), SIDE, SIDE, null), [{ at: [row - 1, column - 1], size: [3, 3] }]);
  drawValues($('conv-output'), valueCanvas(result, SIDE, SIDE, most), [{ at: [row, column], size: [1, 1] }]);
  [...$('conv-kernel').children].forEach((label, i) => {
    label.lastChild.textContent = `× ${window[i].toFixed(2)} = ${(kernel[i] * window[i]).toFixed(2)}`;
  });
  const terms = kernel.map((weight, i) => [weight, window[i]]).filter(([weight, pixel]) => weight !== 0 && pixel !== 0);
  const sum = terms.map(([weight, pixel]) => `${number(weight)} × ${pixel.toFixed(2)}`).join(' + ') || 'nothing but zeros';
  $('conv-sum').textContent = `Row ${row}, column ${column}: ${sum} = ${number(result[at])}`;
  $('conv-row').replaceChildren(...Array.from(window, value => {
    const cell = make('span', { textContent: value.toFixed(2) }), level = Math.round(255 * value);
    cell.style.background = `rgb(${level} ${level} ${level})`;
    cell.style.color = level > 140 ? '#000' : '#fff';
    return cell;
  }));
  const canvas = $('conv-matrix'), all = valueCanvas(rows, SIDE * SIDE, 9, null), [width, height] = [640, 392];
  if (canvas.width !== width) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(all, 0, 0, width, height);
  frame(context, [1, at / (SIDE * SIDE) * height - 3, width - 2, 7], 1, []);
}

function bookKernel() {
  $('conv-kernel').replaceChildren(...book.convolution.kernel.map((weight, i) => {
    const input = make('input', { type: 'number', step: 'any', value: String(Number(weight.toFixed(4))), ariaLabel: `Weight in row ${Math.floor(i / 3)}, column ${i % 3}` });
    input.oninput = () => {
      book.convolution.kernel[i] = Number.isFinite(input.valueAsNumber) ? input.valueAsNumber : 0;
      bookConvolve().catch(error => bookProblem(error.message));
    };
    return make('label', {}, input, make('span'));
  }));
}

// ---- Receptive fields ----

async function bookFields() {
  const { layers } = await learn.engine.ask({ ask: 'fields' }), slider = $('field-layer'), before = book.field.layers;
  book.field.layers = layers;
  slider.max = String(layers.length - 1);
  if (!before) {
    slider.value = String(layers.length - 1);
    const { rows, columns } = layers.at(-1);
    book.field.cell = [Math.floor(rows / 2), Math.floor(columns / 2)];
  }
  bookField();
}

const fieldLayer = () => book.field.layers[Number($('field-layer').value)];

function bookField() {
  const layer = fieldLayer(), { cells, rows, columns, name } = layer, cell = book.field.cell = held(layer, book.field.cell);
  $('field-name').textContent = `${name}, ${rows} × ${columns} cells`;
  const input = [SIDE, SIDE], [[top, bottom], [left, right]] = reads(cells, input, cell), [[y, below], [x, aside]] = area(layer, input, cell);
  drawValues($('field-canvas'), valueCanvas(grey(), SIDE, SIDE, null), [
    { at: [top, left], size: [bottom - top, right - left], dash: [6, 4] }, { at: [y, x], size: [below - y, aside - x] },
  ]);
  const pixels = (bottom - top) * (right - left);
  $('field-says').textContent = `The cell in row ${cell[0]}, column ${cell[1]} reads rows ${top} to ${bottom - 1} and columns ${left} to ${right - 1}: ${pixels} of ${SIDE * SIDE} pixels (dashed). Without the picture’s edge it would be ${cells.field.join(' × ')}. Neighbouring cells lie ${cells.stride[0]} ${cells.stride[0] === 1 ? 'pixel' : 'pixels'} apart.`;
}

// ---- ReLU ----

async function bookRelu() {
  const { x, upstream } = book.relu, { output, passed } = await learn.engine.ask({ ask: 'relu', x, upstream });
  const table = $('relu-table');
  if (!table.tBodies.length) {
    const slider = (values, i, name) => {
      const input = make('input', { type: 'range', min: '-3', max: '3', step: '0.1', value: String(values[i]), ariaLabel: `${name} ${i + 1}` });
      input.oninput = () => { values[i] = Number(input.value); bookRelu().catch(error => bookProblem(error.message)); };
      return make('td', {}, input, make('span'));
    };
    const row = (head, cells) => make('tr', {}, make('th', { scope: 'row', textContent: head }), ...cells);
    table.append(make('tbody', {},
      row('value before', x.map((_, i) => slider(x, i, 'Value before'))), row('value after', x.map(() => make('td'))),
      row('gradient that arrives', x.map((_, i) => slider(upstream, i, 'Gradient that arrives'))),
      ...Object.values(RULES).map(([name, meaning]) => row(`${name}: ${meaning}`, x.map(() => make('td'))))));
  }
  const rows = table.tBodies[0].rows, words = value => number(Number(value.toFixed(2)));
  x.forEach((value, i) => {
    rows[0].cells[i + 1].lastChild.textContent = words(value);
    rows[1].cells[i + 1].textContent = words(output[i]);
    rows[2].cells[i + 1].lastChild.textContent = words(upstream[i]);
    passed.forEach((values, rule) => {
      const cell = rows[3 + rule].cells[i + 1], stops = values[i] === 0;
      cell.textContent = stops ? 'stopped' : words(values[i]);
      cell.className = stops ? 'stopped' : 'passed';
    });
  });
}

// ---- The tape ----

async function bookTape() {
  const answer = await learn.engine.ask({ ask: 'tape', picture: book.picture });
  // Weights and constants aren't steps.
  const path = answer.nodes.filter(node => node.operation !== 'leaf');
  const before = book.tape.path?.length === path.length ? book.tape.at : path.length - 1;
  book.tape = { answer, path, at: before };
  bookStep(before);
}

const shapeOf = shape => shape.slice(1).join(' × ') || '1';

/** Shows the operation with this index on the path. */
function bookStep(at) {
  const { answer, path } = book.tape;
  book.tape.at = at = clamp(at, 0, path.length - 1);
  $('tape-list').replaceChildren(...path.map((node, index) => {
    const button = make('button', { type: 'button' }, make('span', { textContent: node.label ?? node.operation }), make('span', { textContent: shapeOf(node.shape) }));
    button.onclick = () => bookStep(index);
    const item = make('li', { className: index >= at ? 'done' : '' }, button);
    if (index === at) item.setAttribute('aria-current', 'step');
    return item;
  }));
  const node = path[at], source = answer.nodes.find(({ id }) => id === node.inputs[0]);
  $('tape-operation').textContent = `${node.label ?? node.operation}: ${node.operation}`;
  const shown = `From ${shapeOf(source.shape)} to ${shapeOf(node.shape)} numbers. ${OPERATIONS[node.operation] ?? ''}`;
  $('tape-words').textContent = at === path.length - 1 ? `The score of “${learn.begun.classes[answer.class]}” is ${number(answer.score)}; its gradient with respect to itself is 1. ${shown}` : shown;
  const place = id => answer.nodes.findIndex(other => other.id === id);
  $('tape-rules').replaceChildren(...answer.rules.map(rule => {
    const arriving = rule.gradients[place(node.id)], leaving = rule.gradients[place(source.id)], [name, meaning] = RULES[rule.name] ?? [rule.name, ''];
    return make('section', {}, make('h3', { textContent: name }), make('p', { className: 'quiet', textContent: meaning }),
      make('p', { textContent: `Arrives: ${facts(arriving)}` }), gradientCanvas(arriving, node.shape, `${name}: the gradient that arrives`),
      make('p', { textContent: `${rule.replaced.includes(node.id) ? 'Leaves, by this rule' : 'Leaves'}: ${facts(leaving)}` }), gradientCanvas(leaving, source.shape, `${name}: the gradient that leaves`));
  }));
  $('tape-back').disabled = at === 0;
  $('tape-forward').disabled = $('tape-end').disabled = at === path.length - 1;
}

/** A gradient in numbers. */
function facts(values) {
  const zeros = values.reduce((count, v) => count + (v === 0), 0), range = values.reduce(([least, most], v) => [Math.min(least, v), Math.max(most, v)], [Infinity, -Infinity]);
  return `${number(range[0])} to ${number(range[1])}, ${Math.round(100 * zeros / values.length)} % zeros`;
}

/** A gradient as tiles, one for each channel, in the signed colours. */
function gradientCanvas(values, shape, label) {
  const [, rows = 1, columns = 1, channels = null] = shape.length === 4 ? shape : [1, 1, 1, shape.at(-1)];
  const shown = Math.min(channels, 64), across = Math.ceil(Math.sqrt(shown * rows / columns)), down = Math.ceil(shown / across), gap = rows > 1 ? 1 : 0;
  const [width, height] = [across * (columns + gap) - gap, down * (rows + gap) - gap], most = values.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  const image = new ImageData(width, height);
  for (let channel = 0; channel < shown; channel++) {
    const top = Math.floor(channel / across) * (rows + gap), left = channel % across * (columns + gap);
    for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) {
      const share = most > 0 ? values[(y * columns + x) * channels + channel] / most : 0, step = 3 * Math.round(127.5 * (1 + share)), at = 4 * ((top + y) * width + left + x);
      image.data.set(colours.signed.subarray(step, step + 3), at);
      image.data[at + 3] = 255;
    }
  }
  const canvas = make('canvas', { width, height });
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', label);
  canvas.getContext('2d').putImageData(image, 0, 0);
  return canvas;
}

// ---- The check ----

async function bookCheck() {
  const x = [0.7, -1.2, 2, 0.3], { gradient, differences, found, says } = await learn.engine.ask({ ask: 'check', x, mistake: $('check-mistake').value });
  const row = (head, values) => make('tr', {}, make('th', { scope: 'row', textContent: head }), ...values.map(value => make('td', { textContent: value })));
  const digits = values => values.map(value => value.toFixed(6).replace('-', '−'));
  $('check-table').replaceChildren(make('tbody', {}, row('x', x.map(v => String(v).replace('-', '−'))), row('the gradient, as it was written', digits(gradient)), row('the difference, (y(x + h) − y(x − h)) / 2h', digits(differences))));
  $('check-says').replaceChildren(make('b', { className: found ? 'fails' : 'holds', textContent: found ? '✗ The check found a mistake: ' : '✓ The gradient is right: ' }), `${says}.`);
}

// ---- Events ----

$('conv-preset').append(...Object.keys(KERNELS).map(name => make('option', { textContent: name })));
$('conv-preset').onchange = event => { book.convolution.kernel = [...KERNELS[event.target.value]]; bookKernel(); bookConvolve().catch(error => bookProblem(error.message)); };
bookKernel();
for (const id of ['conv-input', 'conv-output']) {
  movable($(id), () => SIDE, () => SIDE, () => book.convolution.at, at => { book.convolution.at = at; if (book.convolution.rows) bookWindow(); });
}
movable($('field-canvas'), () => fieldLayer().rows, () => fieldLayer().columns, () => book.field.cell, cell => { book.field.cell = cell; bookField(); });
$('field-layer').oninput = () => { if (book.field.layers) bookField(); };
$('tape-back').onclick = () => bookStep(book.tape.at - 1);
$('tape-forward').onclick = () => bookStep(book.tape.at + 1);
$('tape-end').onclick = () => bookStep(Infinity);
$('check-mistake').onchange = () => bookCheck().catch(error => bookProblem(error.message));

'use strict';
// A tape, read backwards.

/** What an operation does, and what it does to a gradient. */
const OPERATIONS = {
  'conv2d': 'Each value was a weighted sum of a window. Its gradient goes back to every pixel of that window, times the same weights.',
  'relu': 'Negative values were set to 0. The chain rule stops the gradient there; the other rules also stop negative gradients.',
  'max pool': 'Of each 2 × 2 positions the largest passed. The gradient goes back to that one, the others get 0.',
  'batch norm (evaluation)': 'Each feature was shifted and scaled. Its gradient is scaled the same way.',
  'global avg pool': 'Each feature was averaged over all positions. Every position gets an equal share of the gradient.',
  'linear': 'Each score is a weighted sum of the features. The gradient of the chosen score is the row of its weights.',
  'rearrange': 'Only the arrangement changed, so the gradient is only rearranged.',
};

async function bookTape() {
  const { picture } = book, answer = await learn.engine.ask({ ask: 'tape', picture });
  // Weights and constants aren't steps.
  const path = answer.nodes.filter(node => node.operation !== 'leaf');
  paintTile($('tape-picture'), watchedPixels(picture), null);
  $('tape-picture').ariaLabel = learn.begun.classes[answer.class];
  const before = book.tape.path?.length === path.length ? book.tape.at : path.length - 1;
  book.tape = { answer, path, at: before };
  $('tape-list').replaceChildren(...path.map((node, index) => {
    const button = make('button', { type: 'button' }, make('span', { textContent: node.label ?? node.operation }), make('span', { textContent: shapeOf(node.shape) }));
    button.onclick = () => bookStep(index);
    return make('li', {}, button);
  }));
  bookStep(before);
}

const shapeOf = shape => shape.slice(1).join(' × ') || '1';

/** Shows the operation with this index on the path. */
function bookStep(at) {
  const { answer, path } = book.tape;
  book.tape.at = at = clamp(at, 0, path.length - 1);
  const list = $('tape-list');
  [...list.children].forEach((item, index) => {
    item.className = index >= at ? 'done' : '';
    if (index === at) item.setAttribute('aria-current', 'step');
    else item.removeAttribute('aria-current');
  });
  // `scrollIntoView` would scroll the page, too.
  const inside = list.getBoundingClientRect(), current = list.children[at].getBoundingClientRect();
  list.scrollTop += Math.max(0, current.bottom - inside.bottom) + Math.min(0, current.top - inside.top);
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

$('tape-back').onclick = () => bookStep(book.tape.at - 1);
$('tape-forward').onclick = () => bookStep(book.tape.at + 1);
$('tape-end').onclick = () => bookStep(Infinity);

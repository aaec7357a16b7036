'use strict';
// A drawing, by pointer or by keyboard, and what the network takes it for.

const drawing = { pixels: new Uint8ClampedArray(SIDE * SIDE), at: [14, 14], last: null, guessing: false, changed: false };
const BRUSH = 1.3;

/** Paints from where the brush was, [row, column], to where it is. */
function paintTo(to) {
  const [y0, x0] = drawing.last ?? to, [dy, dx] = [to[0] - y0, to[1] - x0], length = dy * dy + dx * dx;
  for (let y = 0; y < SIDE; y++) for (let x = 0; x < SIDE; x++) {
    const along = length ? clamp(((y - y0) * dy + (x - x0) * dx) / length, 0, 1) : 0;
    const far = Math.hypot(y - y0 - along * dy, x - x0 - along * dx), at = y * SIDE + x;
    drawing.pixels[at] = Math.max(drawing.pixels[at], 255 * clamp(BRUSH + 0.5 - far, 0, 1));
  }
  drawing.last = to;
  paintTile($('learn-canvas'), drawing.pixels, null);
  learnGuess();
}

function paintPoint(event) {
  const box = $('learn-canvas').getBoundingClientRect();
  return [(event.clientY - box.top) / box.height * SIDE - 0.5, (event.clientX - box.left) / box.width * SIDE - 0.5];
}

/** The drawing as MNIST has its digits: 20 pixels high or wide, and its centre of mass in the middle. */
function centred(pixels) {
  const inked = [...pixels.keys()].filter(at => pixels[at] > 0), rows = inked.map(at => Math.floor(at / SIDE)), columns = inked.map(at => at % SIDE);
  const [top, left] = [Math.min(...rows), Math.min(...columns)], size = Math.max(Math.max(...rows) - top, Math.max(...columns) - left) + 1, scale = 20 / size;
  const mass = inked.reduce((sum, at) => sum + pixels[at], 0), mean = places => inked.reduce((sum, at, i) => sum + pixels[at] * (places[i] + 0.5), 0) / mass;
  const source = make('canvas', { width: SIDE, height: SIDE }), context = make('canvas', { width: SIDE, height: SIDE }).getContext('2d');
  paintTile(source, pixels, null);
  Object.assign(context, { fillStyle: '#000', imageSmoothingQuality: 'high' });
  context.fillRect(0, 0, SIDE, SIDE);
  context.drawImage(source, SIDE / 2 - scale * mean(columns), SIDE / 2 - scale * mean(rows), scale * SIDE, scale * SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, i) => data[4 * i]);
}

/** Asks the network about the drawing, and again if that changed meanwhile. */
async function learnGuess() {
  drawing.changed = true;
  if (drawing.guessing) return;
  drawing.guessing = true;
  try {
    while (drawing.changed) {
      drawing.changed = false;
      await guessOnce();
    }
  } catch (error) {
    learnProblem(error.message);
  } finally {
    drawing.guessing = false;
  }
}

async function guessOnce() {
  const nothing = drawing.pixels.every(v => v === 0);
  $('learn-seen').hidden = nothing;
  if (nothing || !learn.begun) {
    $('learn-guess').textContent = '';
    return;
  }
  const { turn, set, begun } = learn, pixels = set === 'digits' ? centred(drawing.pixels) : drawing.pixels.slice();
  const seen = await learn.engine.ask({ ask: 'guess' }, Uint8Array.from(pixels));
  if (turn !== learn.turn) return;
  paintTile($('learn-seen').firstChild, pixels, seen);
  $('learn-guess').replaceChildren(...seen.top.map(([index, share]) => {
    const line = make('div', {}, make('span', { textContent: begun.classes[index] }), make('span', { textContent: percent(share) }));
    line.style.setProperty('--share', `${100 * share}%`);
    return line;
  }));
}

paintTile($('learn-canvas'), drawing.pixels, null);
$('learn-canvas').onpointerdown = event => {
  event.currentTarget.setPointerCapture(event.pointerId);
  drawing.last = null;
  paintTo(paintPoint(event));
};
$('learn-canvas').onpointermove = event => {
  if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
  for (const each of event.getCoalescedEvents?.() ?? [event]) paintTo(paintPoint(each));
};
$('learn-canvas').onkeydown = event => {
  const step = STEPS[event.key];
  if (step) drawing.at = drawing.at.map((v, axis) => clamp(v + step[axis], 0, SIDE - 1));
  else if (event.key !== ' ') return;
  event.preventDefault();
  if (!event.shiftKey) drawing.last = null;
  if (event.key === ' ' || event.shiftKey) paintTo(drawing.at);
  else paintTile($('learn-canvas'), drawing.pixels, null);
  frame($('learn-canvas').getContext('2d'), [drawing.at[1], drawing.at[0], 1, 1], 0.4, []);
};
$('learn-clear').onclick = () => {
  drawing.pixels.fill(0);
  paintTile($('learn-canvas'), drawing.pixels, null);
  learnGuess();
};

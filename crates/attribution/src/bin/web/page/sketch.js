'use strict';
// A drawing, by pointer or by keyboard, and what the network takes it for.

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

'use strict';
// The book, alive: pieces that can be touched. They ask the network that learns.

const book = {
  picture: 0,
  convolution: { kernel: [-1, 0, 1, -2, 0, 2, -1, 0, 1], at: [14, 14], result: null, rows: null },
  field: { layers: null, cell: [0, 0] },
  tape: { answer: null, at: 0 },
  relu: { x: [1.5, -0.8, 0.6, -2, 2.2], upstream: [0.7, 1.2, -0.9, -0.4, 0.3] },
};

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

/** Values `[rows, columns]` as a canvas of this number of pixels, in the signed colours, up to `most`, or in grey from 0 to 1. */
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

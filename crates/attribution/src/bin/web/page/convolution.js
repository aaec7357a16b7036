'use strict';
// A convolution, window by window.

const KERNELS = {
  'edges, left to right': [-1, 0, 1, -2, 0, 2, -1, 0, 1],
  'edges, top to bottom': [-1, -2, -1, 0, 0, 0, 1, 2, 1],
  'blur': [1, 2, 1, 2, 4, 2, 1, 2, 1].map(v => v / 16),
  'sharpen': [0, -1, 0, -1, 5, -1, 0, -1, 0],
  'as it is': [0, 0, 0, 0, 1, 0, 0, 0, 0],
};

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
  // The rows around the present one.
  const near = 8, first = clamp(at - near, 0, SIDE * SIDE - 2 * near - 1), shown = 2 * near + 1;
  const canvas = $('conv-matrix'), all = valueCanvas(rows.subarray(9 * first, 9 * (first + shown)), shown, 9, null), [width, height] = [640, 16 * shown];
  if (canvas.width !== width) Object.assign(canvas, { width, height });
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = false;
  context.drawImage(all, 0, 0, width, height);
  frame(context, [1, 16 * (at - first), width - 2, 16], 1, []);
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

$('conv-preset').append(...Object.keys(KERNELS).map(name => make('option', { textContent: name })));
$('conv-preset').onchange = event => { book.convolution.kernel = [...KERNELS[event.target.value]]; bookKernel(); bookConvolve().catch(error => bookProblem(error.message)); };
bookKernel();
for (const id of ['conv-input', 'conv-output']) {
  movable($(id), () => SIDE, () => SIDE, () => book.convolution.at, at => { book.convolution.at = at; if (book.convolution.rows) bookWindow(); });
}

'use strict';
// What a cell sees.

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

movable($('field-canvas'), () => fieldLayer().rows, () => fieldLayer().columns, () => book.field.cell, cell => { book.field.cell = cell; bookField(); });
$('field-layer').oninput = () => { if (book.field.layers) bookField(); };

// See README.md.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';

const script = path.join(import.meta.dirname, '../../crates/attribution/src/program/report/pure.js');
const names = ['area', 'bytesOfHex', 'coloured', 'decoded', 'enlarged', 'held', 'inflate', 'inOrder', 'nearest', 'number', 'onCanvas',
  'reads', 'scaleOf', 'strengthOf', 'strongest', 'valuesOf'];
// The script isn't a module: it stands in the page as it is.
const pure = new Function(`${readFileSync(script, 'utf8')}; return { ${names} };`)();

const GRID = { first: [1.5, 2], stride: [3, 4], field: [5, 7] };
const QUANTITIES = {
  evidence: { signed: false, ends: ['none', 'most'] },
  contribution: { signed: true, ends: ['against', 'for'] },
  sensitivity: { signed: true, ends: ['darker', 'brighter'] },
  magnitude: { signed: false, ends: ['nothing', 'strongest'] },
};

// A map of cells, stretched over the input unless a grid is given.
function mapOf(rows, columns, values, cells = null) {
  return { rows, columns, cells, pixels: false, values: Float32Array.from(values) };
}

// The definition: a mean of all cells, each weighted by how near it is.
function literal({ rows, columns, cells, values }, [height, width]) {
  const place = (axis, i, count, extent) => {
    const at = cells ? (i + 0.5 - cells.first[axis]) / cells.stride[axis] : (i + 0.5) * count / extent - 0.5;
    return Math.max(0, Math.min(at, count - 1));
  };
  const hat = distance => Math.max(0, 1 - Math.abs(distance));
  return Array.from({ length: height * width }, (_, i) => {
    const y = place(0, Math.floor(i / width), rows, height), x = place(1, i % width, columns, width);
    let sum = 0;
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) sum += values[row * columns + column] * hat(y - row) * hat(x - column);
    }
    return sum;
  });
}

function near(found, expected, tolerance = 1e-6) {
  assert.equal(found.length, expected.length);
  expected.forEach((value, i) => assert.ok(Math.abs(found[i] - value) <= tolerance, `${found[i]} for ${value} at ${i}`));
}

test('exact values are read from where they are', () => {
  const bytes = new DataView(new ArrayBuffer(24));
  [9, 1.5, -0.25, NaN, 0, 1e-30].forEach((value, i) => bytes.setFloat32(4 * i, value, true));
  const values = pure.valuesOf({ form: 'exact', at: 4, rows: 2, columns: 2, most: 1.5 }, bytes.buffer);
  assert.deepEqual([...values], [1.5, -0.25, NaN, 0]);
});

test('a byte is a signed square root', () => {
  const { buffer } = Int8Array.of(99, 99, 0, 127, -127, 64, -1, -128, 99);
  const map = pure.decoded({ form: 'bytes', at: 2, rows: 2, columns: 3, most: 2, layer: 'relu' }, buffer);
  const expected = [0, 2, -2, 2 * (64 / 127) ** 2, -2 / 127 ** 2, NaN];
  assert.deepEqual([...map.values], [...Float32Array.from(expected)]);
  assert.equal(map.layer, 'relu');
});

test('colours are read from hexadecimal', () => {
  assert.deepEqual([...pure.bytesOfHex('00ff7f10')], [0, 255, 127, 16]);
});

test('only positive evidence counts, and every sensitivity', () => {
  const strengths = quantity => [-2, 0, 3, NaN, Infinity].map(value => pure.strengthOf(quantity, value));
  for (const quantity of ['evidence', 'contribution']) assert.deepEqual(strengths(quantity), [0, 0, 3, 0, 0]);
  for (const quantity of ['sensitivity', 'magnitude']) assert.deepEqual(strengths(quantity), [2, 0, 3, 0, 0]);
});

test('the strongest cell is the largest, or the largest of either sign', () => {
  const map = mapOf(2, 3, [NaN, 1, 2, -5, Infinity, 0]);
  assert.deepEqual(pure.strongest(map, false), [0, 2]);
  assert.deepEqual(pure.strongest(map, true), [1, 0]);
});

test('a receptive field ends where the input does', () => {
  assert.deepEqual(pure.reads(GRID, [12, 20], [1, 2]), [[2, 7], [6.5, 13.5]]);
  assert.deepEqual(pure.reads(GRID, [12, 20], [0, 0]), [[0, 4], [0, 5.5]]);
  assert.deepEqual(pure.reads(GRID, [12, 20], [3, 4]), [[8, 12], [14.5, 20]]);
});

test('a point belongs to the nearest cell, and each cell to its area', () => {
  const input = [12, 20], map = mapOf(4, 5, Array(20).fill(0), GRID);
  assert.deepEqual(pure.nearest(map, input, [4.5, 10]), [1, 2]);
  assert.deepEqual(pure.nearest(map, input, [0, 19.9]), [0, 4]);
  assert.deepEqual(pure.area(map, input, [1, 2]), [[3, 6], [8, 12]]);
  const stretched = mapOf(2, 4, Array(8).fill(0));
  assert.deepEqual(pure.nearest(stretched, input, [5.9, 10.1]), [0, 2]);
  assert.deepEqual(pure.nearest(stretched, input, [6.1, 9.9]), [1, 1]);
  assert.deepEqual(pure.area(stretched, input, [1, 3]), [[6, 12], [15, 20]]);
  assert.deepEqual(pure.held(map, [-1, 7]), [0, 4]);
});

test('the input lies on its part of the picture', () => {
  const entry = { part: [10, 20, 40, 80], input: [8, 8], picture: [60, 120] };
  assert.deepEqual(pure.onCanvas(entry, 240, [[0, 8], [0, 8]]), [40, 20, 160, 80]);
  assert.deepEqual(pure.onCanvas(entry, 240, [[2, 4], [1, 5]]), [60, 40, 80, 20]);
});

test('cells are blended as the definition says', () => {
  const values = Array.from({ length: 20 }, (_, i) => Math.sin(i * 12.9898));
  for (const [map, input] of [
    [mapOf(4, 5, values, GRID), [12, 20]],
    [mapOf(4, 5, values), [11, 23]],
    [mapOf(4, 5, values), [3, 2]],
    [mapOf(20, 1, values), [7, 4]],
    [mapOf(1, 1, [0.5]), [3, 3]],
  ]) near(pure.enlarged(map, input, v => v), literal(map, input));
});

test('what is no number spreads only to where it counts', () => {
  const map = mapOf(1, 3, [1, NaN, 2]);
  assert.deepEqual([...pure.enlarged(map, [1, 3], v => v)], [1, NaN, 2]);
  assert.deepEqual([...pure.enlarged(map, [1, 6], v => v)].map(Number.isNaN), [false, true, true, true, true, false]);
});

test('pixels and blocks of pixels are squares', () => {
  const blocks = { ...mapOf(2, 2, [1, 2, 3, 4], { first: [1, 1], stride: [2, 2], field: [2, 2] }), pixels: true };
  assert.deepEqual([...pure.enlarged(blocks, [3, 4], v => 10 * v)], [10, 10, 20, 20, 10, 10, 20, 20, 30, 30, 40, 40]);
});

test('maps are as strong as Rust has them', async () => {
  const fixture = JSON.parse(readFileSync(path.join(import.meta.dirname, 'fixture.json'), 'utf8'));
  const buffer = await pure.inflate(fixture.values);
  const kinds = fixture.maps.map(({ quantity, cells, pixels }) => `${quantity} of ${pixels ? 'pixels' : cells ? 'cells' : 'a picture'}`);
  assert.deepEqual(kinds, ['evidence of cells', 'evidence of a picture', 'sensitivity of pixels', 'contribution of pixels']);
  fixture.maps.forEach((encoded, i) => {
    const map = pure.decoded(encoded, buffer), strengths = fixture.strengths[i];
    assert.ok(Math.max(...strengths) > 0.01, kinds[i]);
    near(pure.enlarged(map, fixture.input, v => pure.strengthOf(map.quantity, v)), strengths);
  });
});

test('a scale has the sign and the ends of its quantity', () => {
  const scale = (quantity, negative) => pure.scaleOf({ quantity, full: 2, most: 3 }, QUANTITIES, negative);
  assert.deepEqual(scale('evidence', false), { signed: false, full: 2, ends: ['none', 'most'] });
  assert.deepEqual(scale('evidence', true), { signed: true, full: 3, ends: ['against', 'for'] });
  for (const negative of [false, true]) {
    assert.deepEqual(scale('contribution', negative), { signed: true, full: 2, ends: ['against', 'for'] });
    assert.deepEqual(scale('sensitivity', negative), { signed: true, full: 2, ends: ['darker', 'brighter'] });
    assert.deepEqual(scale('magnitude', negative), { signed: false, full: 2, ends: ['nothing', 'strongest'] });
  }
});

test('colours are the stronger, the larger the value', () => {
  const colours = Uint8Array.of(1, 1, 1, 2, 2, 2, 3, 3, 3), values = Float32Array.of(0, 2, 4, 9, NaN, -4);
  const paint = (signed, opacity, pixels) => {
    const out = pure.coloured(values, { signed, full: 4, ends: ['', ''] }, colours, opacity, pixels);
    return Array.from(values, (_, i) => [out[4 * i], out[4 * i + 3]]);
  };
  assert.deepEqual(paint(true, 1, false), [[2, 0], [3, 128], [3, 255], [3, 255], [128, 255], [1, 255]]);
  assert.deepEqual(paint(false, 0.5, true).slice(0, 5), [[1, 128], [2, 128], [3, 128], [3, 128], [128, 128]]);
  const nothing = pure.coloured(Float32Array.of(0), { signed: false, full: 0, ends: ['', ''] }, colours, 1, false);
  assert.deepEqual([...nothing], [1, 1, 1, 0]);
});

test('figures have four digits, and a true minus', () => {
  const cases = { 0: '0', 1: '1', 0.12345: '0.1235', '-0.12345': '−0.1235', 1234.5: '1235', 12345: '1.23e+4', 0.001: '0.001', 0.0001234: '1.23e-4' };
  for (const [value, text] of Object.entries(cases)) assert.equal(pure.number(Number(value)), text);
  assert.deepEqual([NaN, Infinity].map(pure.number), ['not a number', 'not a number']);
});

test('columns are sorted either way, with gaps last', () => {
  const sorted = (keys, up) => keys.toSorted((a, b) => pure.inOrder(a, b, up));
  assert.deepEqual(sorted([10, NaN, 9, -1, NaN], true), [-1, 9, 10, NaN, NaN]);
  assert.deepEqual(sorted([10, NaN, 9, -1, NaN], false), [10, 9, -1, NaN, NaN]);
  assert.deepEqual(sorted(['coat', 'bag', 'Shirt'], true), ['bag', 'coat', 'Shirt']);
  assert.deepEqual(sorted(['coat', 'bag', 'Shirt'], false), ['Shirt', 'coat', 'bag']);
});

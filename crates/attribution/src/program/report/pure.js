// @ts-check
'use strict';
// What the page's script computes, without the page: values, places, colours, figures.

/**
 * What Rust writes into the page: `Data`, `Drawn`, `Grid`, `Truth`, `Explained` and `Line` of entry.rs, `Encoded` of
 * encode.rs, `shared` of view.rs. Lengths are in the input's pixels, but for `part`; pairs are [down, right].
 *
 * @typedef {[number, number]} Pair
 * @typedef {[top: number, left: number, height: number, width: number]} Place
 *
 * @typedef {object} Encoded Where a map's values are among those of its picture.
 * @property {'exact' | 'bytes'} form
 * @property {number} at The first byte.
 * @property {number} rows
 * @property {number} columns
 * @property {number} most The largest absolute value that is finite.
 *
 * @typedef {object} Grid
 * @property {Pair} first The centre of the first cell.
 * @property {Pair} stride
 * @property {Pair} field Height and width of what a cell reads, about its centre.
 *
 * @typedef {'evidence' | 'contribution' | 'sensitivity' | 'magnitude'} Quantity
 *
 * @typedef {object} Said
 * @property {string} method
 * @property {string} layer
 * @property {string | null} rule What a backward rule replaced, as a sentence.
 * @property {Quantity} quantity
 * @property {string} verdict
 * @property {boolean} evidence
 * @property {number} full The value that gets the full colour.
 * @property {Grid | null} cells Null where the cells are stretched over the input.
 * @property {boolean} pixels Whether the cells are the input's pixels, or blocks of them.
 *
 * @typedef {Said & Encoded} Drawn
 *
 * @typedef {object} Line A certificate in words; `holds` is null unless the identity was checked against a bound.
 * @property {string} identity
 * @property {string} meaning
 * @property {string | null} layer
 * @property {string} finding
 * @property {boolean | null} holds
 *
 * @typedef {object} Data A picture.
 * @property {string} name
 * @property {Pair} input Height and width.
 * @property {Pair} picture Height and width, before it was enlarged.
 * @property {Place} part What of the picture became the input.
 * @property {boolean} pixelated Whether each pixel is drawn as a square.
 * @property {[name: string, share: number | null, amount: string][]} top
 * @property {{ class: string, place: Place | null } | null} truth
 * @property {{ why: string, maps: Drawn[] }[]} classes
 * @property {Line[]} certificates
 * @property {string} values Of all maps: deflated (zlib), in base64.
 *
 * @typedef {{ signed: boolean, ends: [low: string, high: string] }} Meaning
 *
 * @typedef {object} Shared What all pictures share.
 * @property {string} strength Colours, in hexadecimal.
 * @property {string} signed
 * @property {Record<Quantity, Meaning>} quantities
 * @property {{ id: string, title: string, can: string, cannot: string }[]} methods
 */

/**
 * @typedef {Drawn & { values: Float32Array }} Decoded
 * @typedef {[Pair, Pair]} Edges From top to bottom, from left to right.
 * @typedef {{ signed: boolean, full: number, ends: [low: string, high: string] }} Scale
 */

const NOT_A_NUMBER = [128, 128, 128];

/**
 * @template T
 * @param {(axis: 0 | 1) => T} of
 * @returns {[T, T]}
 */
const axes = of => [of(0), of(1)];

/** @type {(value: number, least: number, most: number) => number} */
const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

// ---- Values ----

/** @param {string} hex */
function bytesOfHex(hex) {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

/** @param {string} text */
async function inflate(text) {
  const deflated = Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const stream = new Blob([deflated]).stream().pipeThrough(new DecompressionStream('deflate'));
  return new Response(stream).arrayBuffer();
}

/**
 * @param {Encoded} encoded
 * @param {ArrayBuffer} buffer
 */
function valuesOf({ form, at, rows, columns, most }, buffer) {
  const count = rows * columns;
  if (form === 'exact') return new Float32Array(buffer, at, count);
  const bytes = new Int8Array(buffer, at, count);
  return Float32Array.from(bytes, q => q === -128 ? NaN : Math.sign(q) * (q / 127) ** 2 * most);
}

/** @type {(map: Drawn, buffer: ArrayBuffer) => Decoded} */
const decoded = (map, buffer) => ({ ...map, values: valuesOf(map, buffer) });

/**
 * How strongly a value counts, at least 0, as `Quantity::strength` has it.
 *
 * @param {Quantity} quantity
 * @param {number} value
 */
function strengthOf(quantity, value) {
  if (!Number.isFinite(value)) return 0;
  return quantity === 'evidence' || quantity === 'contribution' ? Math.max(value, 0) : Math.abs(value);
}

/**
 * The cell with the largest value, or with the largest absolute value.
 *
 * @param {Decoded} map
 * @param {boolean} signed
 * @returns {Pair}
 */
function strongest({ values, columns }, signed) {
  /** @param {number} v */
  const size = v => Number.isFinite(v) ? (signed ? Math.abs(v) : v) : -Infinity;
  const at = values.reduce((best, v, i) => size(v) > size(values[best]) ? i : best, 0);
  return [Math.floor(at / columns), at % columns];
}

// ---- Geometry ----

/**
 * Where cells lie; where their geometry isn't known, they cover the input, edge to edge.
 *
 * @param {Drawn} map
 * @param {Pair} input
 * @returns {{ first: Pair, stride: Pair }}
 */
function gridOf({ cells, rows, columns }, input) {
  if (cells) return cells;
  /** @type {Pair} */
  const stride = [input[0] / rows, input[1] / columns];
  return { first: axes(axis => stride[axis] / 2), stride };
}

/**
 * The place among the cells, as a fraction, of a place on the input.
 *
 * @param {{ first: Pair, stride: Pair }} grid
 * @param {0 | 1} axis
 * @param {number} point
 */
const cellAt = ({ first, stride }, axis, point) => (point - first[axis]) / stride[axis];

/**
 * The nearest cell to a point of the input.
 *
 * @param {Drawn} map
 * @param {Pair} input
 * @param {Pair} point
 * @returns {Pair}
 */
function nearest(map, input, point) {
  const grid = gridOf(map, input);
  return held(map, axes(axis => Math.round(cellAt(grid, axis, point[axis]))));
}

/**
 * The cell that is nearest to one outside the map.
 *
 * @param {Drawn} map
 * @param {Pair} cell
 * @returns {Pair}
 */
const held = ({ rows, columns }, [row, column]) => [clamp(row, 0, rows - 1), clamp(column, 0, columns - 1)];

/**
 * What a cell reads of the input, padding left out.
 *
 * @param {Grid} grid
 * @param {Pair} input
 * @param {Pair} cell
 * @returns {Edges}
 */
function reads({ first, stride, field }, input, cell) {
  return axes(axis => {
    const centre = first[axis] + cell[axis] * stride[axis], half = field[axis] / 2;
    return [clamp(centre - half, 0, input[axis]), clamp(centre + half, 0, input[axis])];
  });
}

/**
 * What lies nearer to a cell than to any other.
 *
 * @param {Drawn} map
 * @param {Pair} input
 * @param {Pair} cell
 * @returns {Edges}
 */
function area(map, input, cell) {
  const { first, stride } = gridOf(map, input);
  return axes(axis => {
    const centre = first[axis] + cell[axis] * stride[axis], half = stride[axis] / 2;
    return [centre - half, centre + half];
  });
}

/**
 * A rectangle on the input as one on a canvas of this width: x, y, width, height.
 *
 * @param {Data} entry
 * @param {number} canvasWidth
 * @param {Edges} edges
 * @returns {[x: number, y: number, width: number, height: number]}
 */
function onCanvas({ part, input, picture }, canvasWidth, [[top, bottom], [left, right]]) {
  const [partTop, partLeft, partHeight, partWidth] = part, scale = canvasWidth / picture[1];
  /** @param {number} v */
  const y = v => (partTop + v * partHeight / input[0]) * scale;
  /** @param {number} v */
  const x = v => (partLeft + v * partWidth / input[1]) * scale;
  return [x(left), y(top), x(right) - x(left), y(bottom) - y(top)];
}

// ---- Colours ----

/**
 * How a map is drawn: in which colours, up to which value, and what the ends of its scale mean.
 *
 * @param {Drawn} map
 * @param {Record<Quantity, Meaning>} quantities
 * @param {boolean} negative Whether negative evidence is drawn, too.
 * @returns {Scale}
 */
function scaleOf({ quantity, full, most }, quantities, negative) {
  // Negative evidence speaks against the target, as a negative contribution does.
  if (quantity === 'evidence' && negative) return { signed: true, full: most, ends: quantities.contribution.ends };
  return { ...quantities[quantity], full };
}

/**
 * As large as the input: bilinear between the cells' true places; pixels stay as they are.
 *
 * @param {Decoded} map
 * @param {Pair} input
 * @param {(value: number) => number} of What is to be enlarged of a value.
 */
function enlarged(map, input, of) {
  const [height, width] = input, { columns, pixels } = map, grid = gridOf(map, input);
  const cells = map.values.map(of), extent = [map.rows, columns];
  // For each pixel along an axis, two cells and the share of the second.
  const [down, right] = axes(axis => Array.from({ length: input[axis] }, (_, i) => {
    const at = clamp(cellAt(grid, axis, i + 0.5), 0, extent[axis] - 1);
    const near = pixels ? Math.round(at) : Math.floor(at);
    return [near, Math.min(near + 1, extent[axis] - 1), pixels ? 0 : at - near];
  }));
  // A value without a share isn't read: it may be no number.
  /** @type {(a: number, b: number, share: number) => number} */
  const blend = (a, b, share) => share === 0 ? a : a + share * (b - a);
  const out = new Float32Array(height * width);
  down.forEach(([above, below, share], y) => right.forEach(([near, far, aside], x) => {
    /** @param {number} row */
    const along = row => blend(cells[row * columns + near], cells[row * columns + far], aside);
    out[y * width + x] = blend(along(above), along(below), share);
  }));
  return out;
}

/**
 * Values as pixels: red, green, blue, opacity. Those of a map of cells are the more opaque, the stronger they are.
 *
 * @param {Float32Array} values
 * @param {Scale} scale
 * @param {Uint8Array} colours
 * @param {number} opacity From 0 to 1.
 * @param {boolean} pixels
 */
function coloured(values, { signed, full }, colours, opacity, pixels) {
  const out = new Uint8ClampedArray(4 * values.length), last = colours.length / 3 - 1;
  values.forEach((value, i) => {
    // Where all is 0, so is the value of the full colour.
    const share = value === 0 ? 0 : clamp(value / full, -1, 1), known = !Number.isNaN(share);
    const step = 3 * Math.round(last * (signed ? (share + 1) / 2 : share));
    out.set(known ? colours.subarray(step, step + 3) : NOT_A_NUMBER, 4 * i);
    out[4 * i + 3] = 255 * opacity * (pixels || !known ? 1 : Math.abs(share));
  });
  return out;
}

// ---- Words ----

/** @param {number} value */
function number(value) {
  if (!Number.isFinite(value)) return 'not a number';
  if (value === 0) return '0';
  const size = Math.abs(value);
  const text = size >= 0.001 && size < 10000 ? Number(size.toPrecision(4)).toString() : size.toExponential(2);
  return (value < 0 ? '−' : '') + text;
}

/**
 * Which of a column's two keys comes first, as `Array.sort` asks; what is no number comes last, either way.
 *
 * @param {string | number} a
 * @param {string | number} b
 * @param {boolean} up
 */
function inOrder(a, b, up) {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  const order = typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b));
  return up ? order : -order;
}


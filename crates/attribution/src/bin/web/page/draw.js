'use strict';
// Elements, canvases, words.

const $ = id => document.getElementById(id);

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

const STEPS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const colours = { strength: new Uint8Array(3), signed: new Uint8Array(3) };

/** Keeps the colours that an answer brings. */
function keepColours(answer) {
  for (const name of Object.keys(colours)) colours[name] = Uint8Array.from(answer.colours[name]);
}

/** Pixels as a canvas. */
function canvasOf({ width, height, pixels }) {
  const canvas = make('canvas', { width, height });
  canvas.getContext('2d').putImageData(new ImageData(pixels, width, height), 0, 0);
  return canvas;
}

/** The map over the picture, and the cell that is pointed at. */
function drawMap(canvas, photo, map, { scale, opacity, cell }) {
  const [height, width] = photo.picture, ratio = window.devicePixelRatio || 1;
  const shown = Math.max(canvas.clientWidth || width, 1);
  const [across, down] = [Math.round(shown * ratio), Math.round(shown * height / width * ratio)];
  // A new size clears the canvas, so it is set only if it differs.
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const context = canvas.getContext('2d');
  context.imageSmoothingEnabled = !photo.pixelated;
  context.drawImage(photo.canvas, 0, 0, canvas.width, canvas.height);
  const place = edges => onCanvas(photo, canvas.width, edges);
  if (map.evidence) {
    const [rows, columns] = photo.input;
    const values = enlarged(map, photo.input, scale.signed ? v => v : v => strengthOf(map.quantity, v));
    const pixels = coloured(values, scale, scale.signed ? colours.signed : colours.strength, opacity, map.pixels);
    context.imageSmoothingEnabled = !map.pixels;
    context.drawImage(canvasOf({ width: columns, height: rows, pixels }), ...place([[0, rows], [0, columns]]));
  }
  if (cell) {
    if (map.cells && !map.pixels) frame(context, place(reads(map.cells, photo.input, cell)), ratio, [6, 4]);
    frame(context, place(area(map, photo.input, cell)), ratio, []);
  }
}

/** White on black, to be seen on anything. */
function frame(context, place, ratio, dash) {
  context.setLineDash(dash.map(length => length * ratio));
  for (const [colour, thickness] of [['#000', 4], ['#fff', 2]]) {
    context.strokeStyle = colour;
    context.lineWidth = thickness * ratio;
    context.strokeRect(...place);
  }
  context.setLineDash([]);
}

/** The colours of a map, and what their ends mean. */
function legend(element, map, { signed, full, ends: [least, most] }) {
  const [low, canvas, high] = element.children, shades = signed ? colours.signed : colours.strength;
  const steps = shades.length / 3, picture = new ImageData(steps, 1);
  picture.data.fill(255);
  for (let i = 0; i < steps; i++) picture.data.set(shades.subarray(3 * i, 3 * i + 3), 4 * i);
  canvas.getContext('2d').putImageData(picture, 0, 0);
  low.textContent = `${least}, ${number(signed ? -full : 0)}`;
  high.textContent = `${most}, ${number(full)}`;
  element.hidden = !map.evidence;
}

/** A cell of a map, in words. */
function readOut(map, input, [row, column]) {
  const value = map.values[row * map.columns + column];
  const where = map.pixels ? 'Pixel' : `Cell of ${map.layer || 'the map'},`;
  const share = Number.isFinite(value) && map.most > 0 ? `, ${Math.round(100 * value / map.most)} % of the strongest`.replace('-', '−') : '';
  const text = [`${where} row ${row}, column ${column} of ${map.rows} × ${map.columns}: ${number(value)}${share}.`];
  if (map.cells && !map.pixels) {
    const [[top, bottom], [left, right]] = reads(map.cells, input, [row, column]);
    text.push(`It reads rows ${top} to ${bottom - 1} and columns ${left} to ${right - 1} of the network’s input, ${input.join(' × ')} pixels.`);
  }
  return text.join(' ');
}

function download(name, content, type) {
  const url = URL.createObjectURL(new Blob([content], { type }));
  make('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

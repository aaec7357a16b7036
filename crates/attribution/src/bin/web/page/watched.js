'use strict';
// What a training shows: ten pictures with their maps, curves, errors.

function learnSay(text, busy = false) {
  $('learn-status').textContent = text;
  $('learn-status').classList.toggle('busy', busy);
}

function learnProblem(text) {
  $('learn-problem').textContent = text;
  $('learn-problem').hidden = text === '';
}

function learnButtons() {
  $('learn-run').textContent = learn.running ? 'Pause' : 'Train';
  $('learn-step').disabled = learn.running;
}

/** A grey picture, and a map over it. */
function paintTile(canvas, pixels, seen) {
  const image = new ImageData(SIDE, SIDE), shades = seen?.evidence ? colours.strength : null;
  for (let i = 0; i < SIDE * SIDE; i++) {
    const share = shades ? seen.values[i] : 0, step = 3 * Math.round(255 * share), opacity = 0.75 * share;
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = shades ? pixels[i] + opacity * (shades[step + c] - pixels[i]) : pixels[i];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext('2d').putImageData(image, 0, 0);
}

const watchedPixels = index => learn.begun.pictures.slice(index * SIDE * SIDE, (index + 1) * SIDE * SIDE);

function learnTiles() {
  const { labels, classes } = learn.begun;
  $('learn-watched').replaceChildren(...labels.map((label, index) => {
    const canvas = make('canvas', { width: SIDE, height: SIDE });
    canvas.setAttribute('aria-hidden', 'true');
    paintTile(canvas, watchedPixels(index), null);
    return make('li', {}, make('a', { href: `#book/tape?picture=${index}` }, canvas, make('b', { textContent: classes[label] }), make('span')));
  }));
}

/** The words that depend on the pictures. */
function learnWords() {
  const { one, how } = SETS[learn.set];
  $('learn-draw').textContent = `Draw ${one}, ${how}. The network says what it takes it for, while it learns and while you draw.`;
  $('learn-canvas').ariaLabel = `Drawing of ${one}: the arrow keys move, the space bar paints, with Shift they draw a line`;
  $('learn-from').hidden = learn.set === 'own';
}

function learnWatched() {
  const { labels, classes } = learn.begun;
  learn.looked.maps.forEach((seen, index) => {
    const link = $('learn-watched').children[index].firstChild, [canvas, , says] = link.children;
    const [[guess, share]] = seen.top, right = guess === labels[index];
    paintTile(canvas, watchedPixels(index), seen);
    link.className = right ? 'right' : 'wrong';
    says.textContent = right ? `✓ ${percent(share)}` : `✗ ${classes[guess]}`;
  });
}

/** A curve of every step, faint, and its moving mean. */
function curve(svg, points, most) {
  const count = points.length, all = Math.max(count, 40), width = 320, height = 120;
  const x = i => (i / (all - 1) * width).toFixed(1), y = v => (height - Math.min(v / most, 1.05) * height).toFixed(1);
  const every = Math.max(1, Math.floor(count / 320)), raw = [], smooth = [];
  let mean = null;
  points.forEach((v, i) => {
    mean = mean === null ? v : mean + (v - mean) / Math.min(i + 1, 15);
    if (i % every === 0 || i === count - 1) {
      raw.push(`${x(i)},${y(v)}`);
      smooth.push(`${x(i)},${y(mean)}`);
    }
  });
  const part = (tag, attributes) => {
    const element = document.createElementNS('http://www.w3.org/2000/svg', tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    return element;
  };
  const line = share => part('line', { x1: 0, x2: width, y1: height * share, y2: height * share });
  svg.replaceChildren(line(0), line(0.5), line(1), ...(count ? [part('path', { class: 'faint', d: `M${raw.join('L')}` }), part('path', { d: `M${smooth.join('L')}` })] : []));
  return mean;
}

function learnCurves() {
  const losses = learn.steps.map(([, loss]) => loss), scores = learn.steps.map(([, , score]) => score);
  const most = Math.max(2.5, ...losses.slice(0, 20));
  const loss = curve($('learn-loss-curve'), losses, most), score = curve($('learn-accuracy-curve'), scores, 1);
  $('learn-loss').textContent = loss === null ? '' : loss.toFixed(3);
  const tried = learn.looked && learn.steps.length ? `${percent(learn.looked.accuracy)} of ${learn.set === 'own' ? 'your' : 'new'} pictures` : '';
  $('learn-accuracy').textContent = score === null ? '' : tried;
  document.documentElement.dataset.steps = String(learn.steps.length);
}

function learnConfusion() {
  const { confusion } = learn.looked, { classes } = learn.begun;
  const head = make('tr', {}, make('td'), ...classes.map(name => make('th', { scope: 'col', textContent: name })));
  const rows = confusion.map((row, truth) => make('tr', {}, make('th', { scope: 'row', textContent: classes[truth] }), ...row.map((count, said) => {
    const cell = make('td', { textContent: count || '·', className: said === truth ? 'hit' : '' }), most = Math.max(1, ...row);
    cell.style.background = `color-mix(in srgb, var(${said === truth ? '--good' : '--bad'}) ${Math.round(35 * count / most)}%, transparent)`;
    return cell;
  })));
  $('learn-confusion').replaceChildren(make('table', { className: 'confusion' }, make('thead', {}, head), make('tbody', {}, ...rows)));
}

function learnSize() {
  const { parameters, layers } = learn.begun, last = layers.filter(layer => layer.output.length === 3).at(-1);
  $('learn-size').textContent = `${parameters.toLocaleString('en')} weights. ${last ? `The last features have ${last.output.slice(0, 2).join(' × ')} positions.` : ''}`;
}

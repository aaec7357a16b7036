'use strict';
// Several photographs: each with its likeliest class and where the network looked, computed by several workers.

const GALLERY = { most: 500 };
let galleryTurn = 0;

async function gallery(files) {
  const turn = ++galleryTurn, left = files.slice(0, GALLERY.most), all = left.length, began = performance.now();
  await why.loading;
  if (!why.engine || !why.network.normalized) return;
  const engines = Array.from({ length: workersFor(all) }, () => new Engine(why.engine.prepare));
  $('why-gallery').replaceChildren();
  $('why-gallery').hidden = false;
  let done = 0;
  const work = async engine => {
    for (let file = left.shift(); file && turn === galleryTurn; file = left.shift()) {
      await galleryTile(engine, file);
      done++;
      if (turn === galleryTurn) whyBusy(`${done} of ${all} photographs, ${leftOver(began, done / all)} left.`);
    }
  };
  await Promise.all(engines.map(work));
  for (const engine of engines) engine.end('All are done.');
  if (turn === galleryTurn) whyBusy(`${all} photographs in ${Math.round((performance.now() - began) / 1000)} s. Choose one to ask more.`, true);
}

async function galleryTile(engine, file) {
  const bytes = new Uint8Array(await file.arrayBuffer()), says = make('span'), button = make('button', { type: 'button' });
  try {
    const photo = await engine.ask({ ask: 'photo', name: file.name }, bytes), [best] = photo.top;
    const map = await engine.ask({ ask: 'explain', method: DEFAULT_METHOD, target: { class: best.class, counterfactual: false }, layer: null });
    const canvas = make('canvas', { width: 150, height: Math.round(150 * photo.picture[0] / photo.picture[1]) });
    canvas.setAttribute('aria-hidden', 'true');
    drawMap(canvas, { ...photo, canvas: canvasOf(photo.drawing) }, map, { scale: scaleOf(map, why.quantities, false), opacity: 0.8 });
    button.append(canvas);
    says.textContent = `${best.name} ${best.share === null ? best.amount : percent(best.share)}`;
  } catch (error) {
    says.textContent = error.message;
  }
  button.append(make('b', { textContent: file.name }), says);
  button.onclick = () => whyPhoto(file.name, bytes);
  $('why-gallery').append(make('li', {}, button));
}

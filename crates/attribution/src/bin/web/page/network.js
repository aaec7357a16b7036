'use strict';
// The network that is asked: the page's, or one of the user's.

async function whyNetwork(prepare, name) {
  whyBusy(`Preparing ${name}…`);
  const engine = new Engine(prepare);
  try {
    const network = await engine.ready;
    why.engine?.end('Another network took its place.');
    helpersEnd('Another network took its place.');
    Object.assign(why, { engine, network: null, photo: null, target: null, versus: null });
    whyNetworkIs(network);
    $('why-answer').hidden = true;
    whyBusy('');
    whyProblem('');
    if (why.file) await whyPhoto(...why.file);
  } catch (error) {
    engine.end('It was refused.');
    whyBusy('');
    whyProblem(error.message);
  }
}

function whyNetworkIs(network) {
  why.network = network;
  keepColours(network);
  why.quantities = Object.fromEntries(network.quantities.map(({ id, ...meaning }) => [id, meaning]));
  whyTable();
  whyMethods();
  const channels = network.input[2], grey = values => values.slice(0, channels === 3 ? 3 : 1);
  why.normalizations = [
    ['from 0 to 1, less ImageNet’s mean (PyTorch)', grey([0.485, 0.456, 0.406]), grey([0.229, 0.224, 0.225])],
    ['from 0 to 1', Array(channels).fill(0), Array(channels).fill(1)],
    ['from −1 to 1 (TensorFlow)', Array(channels).fill(0.5), Array(channels).fill(0.5)],
    ['from 0 to 255', Array(channels).fill(0), Array(channels).fill(1 / 255)],
  ];
  $('why-normalization').replaceChildren(...why.normalizations.map(([text], index) => make('option', { value: String(index), textContent: text })));
  $('why-prepare').hidden = network.normalized;
}

async function whyPrepare() {
  const [, mean, std] = why.normalizations[Number($('why-normalization').value)], [file] = $('why-names').files;
  const classes = file ? (await file.text()).split('\n').map(line => line.trim()).filter(Boolean) : [];
  const ask = { ask: 'prepare', mean, std, classes };
  try {
    whyNetworkIs(await why.engine.ask(ask));
    why.engine.prepare.push([ask, () => undefined]);
    helpersEnd('The network changed.');
    whyProblem('');
    if (why.file) await whyPhoto(...why.file);
  } catch (error) {
    whyProblem(error.message);
  }
}

function whyTable() {
  const { network } = why, count = n => n ? n.toLocaleString('en') : '';
  $('why-about-title').textContent = `The network: ${network.name}, ${network.layers.length} layers, ${count(network.parameters)} weights`;
  const rows = network.layers.map(layer => make('tr', {}, make('td', { textContent: layer.name }),
    make('td', { className: 'words', textContent: layer.kind + (layer.reads ? ` (${layer.reads})` : '') }),
    make('td', { textContent: layer.output.join(' × ') }), make('td', { textContent: count(layer.parameters) }), make('td', { textContent: count(layer.work) })));
  const heads = ['Layer', 'What it does', 'Output', 'Weights', 'Multiplications'].map(text => make('th', { scope: 'col', textContent: text }));
  $('why-layers').replaceChildren(make('table', {}, make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...rows)));
}

function whyMethods() {
  const { methods, spatial } = why.network, before = $('why-method').value || DEFAULT_METHOD;
  const group = (label, slow) => make('optgroup', { label },
    ...methods.filter(method => method.slow === slow).map(({ id, title }) => make('option', { value: id, textContent: title })));
  $('why-method').replaceChildren(group('At once', false), group('Slower: they run the network many times', true));
  $('why-method').value = methods.some(({ id }) => id === before) ? before : methods[0]?.id ?? '';
  $('why-layer').max = String(Math.max(spatial.length - 1, 0));
  $('why-layer').value = $('why-layer').max;
}

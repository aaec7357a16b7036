'use strict';
// The settings of a training, which are in the page's address.

const blocksOf = text => text.split(',').map(part => /^(\d{1,3})(n?)(p?)$/.exec(part)).filter(Boolean)
  .map(([, channels, norm, pool]) => ({ channels: Math.min(Math.max(Number(channels), 1), 128), norm: norm !== '', pool: pool !== '' })).slice(0, 8);
const textOf = blocks => blocks.map(({ channels, norm, pool }) => `${channels}${norm ? 'n' : ''}${pool ? 'p' : ''}`).join(',');
const rate = () => 10 ** (Number($('learn-rate').value) / 10);
const SETTINGS = { d: 'learn-pictures', r: 'learn-rate', o: 'learn-optimizer', b: 'learn-batch', s: 'learn-seed' };

function readAddress() {
  const [, query = ''] = location.hash.split('?'), settings = new URLSearchParams(query);
  learn.blocks = blocksOf(settings.get('c') ?? START);
  for (const [key, id] of Object.entries(SETTINGS)) {
    const element = $(id), value = settings.get(key);
    if (value === null) continue;
    if (element.tagName !== 'SELECT' || [...element.options].some(option => option.value === value && !option.disabled)) element.value = value;
  }
  $('learn-average').checked = settings.get('h') !== 'flat';
}

function writeAddress() {
  const settings = new URLSearchParams({ c: textOf(learn.blocks), h: $('learn-average').checked ? 'mean' : 'flat' });
  for (const [key, id] of Object.entries(SETTINGS)) settings.set(key, $(id).value);
  if (location.hash.startsWith('#learn')) history.replaceState(null, '', `#learn?${settings.toString().replaceAll('%2C', ',')}`);
}

function learnSettings() {
  return {
    blocks: learn.blocks,
    average: $('learn-average').checked,
    optimizer: $('learn-optimizer').value,
    batch: Number($('learn-batch').value),
    seed: Math.max(0, Math.floor(Number($('learn-seed').value))) || 0,
  };
}

function learnBlocks() {
  $('learn-blocks').replaceChildren(...learn.blocks.map((block, index) => {
    const number = index + 1, choice = (name, text) => {
      const input = make('input', { type: 'checkbox', checked: block[name] });
      input.onchange = () => learnChange(() => { block[name] = input.checked; });
      return make('label', {}, input, ` ${text}`);
    };
    const channels = make('select', { ariaLabel: `Features of block ${number}` }, ...[...new Set([4, 8, 16, 32, 64, block.channels])].sort((a, b) => a - b)
      .map(count => make('option', { value: String(count), textContent: `${count} features`, selected: count === block.channels })));
    channels.onchange = () => learnChange(() => { block.channels = Number(channels.value); });
    const remove = make('button', { type: 'button', textContent: '×', ariaLabel: `Remove block ${number}` });
    remove.onclick = () => learnChange(() => learn.blocks.splice(index, 1));
    return make('li', {}, make('b', { textContent: String(number) }), channels, choice('norm', 'batch norm'), choice('pool', 'halve the size'), remove);
  }));
  $('learn-add').disabled = learn.blocks.length >= 8;
}

/** After a change of the settings the training begins anew. */
function learnChange(change) {
  change();
  if ($('learn-blocks').children.length !== learn.blocks.length) learnBlocks();
  writeAddress();
  learnBegin();
}

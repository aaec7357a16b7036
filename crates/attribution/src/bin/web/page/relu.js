'use strict';
// A ReLU under three rules.

const RULES = {
  exact: ['The chain rule', 'what a small change really does'],
  deconvnet: ['Deconvnet', 'only positive gradients pass'],
  'guided backpropagation': ['Guided', 'only positive gradients of positive values pass'],
};

async function bookRelu() {
  const { x, upstream } = book.relu, { output, passed } = await learn.engine.ask({ ask: 'relu', x, upstream });
  const table = $('relu-table');
  if (!table.tBodies.length) {
    const slider = (values, i, name) => {
      const input = make('input', { type: 'range', min: '-3', max: '3', step: '0.1', value: String(values[i]), ariaLabel: `${name} ${i + 1}` });
      input.oninput = () => { values[i] = Number(input.value); bookRelu().catch(error => bookProblem(error.message)); };
      return make('td', {}, input, make('span'));
    };
    const row = (head, cells) => make('tr', {}, make('th', { scope: 'row', textContent: head }), ...cells);
    table.append(make('tbody', {},
      row('value before', x.map((_, i) => slider(x, i, 'Value before'))), row('value after', x.map(() => make('td'))),
      row('gradient that arrives', x.map((_, i) => slider(upstream, i, 'Gradient that arrives'))),
      ...Object.values(RULES).map(([name, meaning]) => row(`${name}: ${meaning}`, x.map(() => make('td'))))));
  }
  const rows = table.tBodies[0].rows, words = value => number(Number(value.toFixed(2)));
  x.forEach((value, i) => {
    rows[0].cells[i + 1].lastChild.textContent = words(value);
    rows[1].cells[i + 1].textContent = words(output[i]);
    rows[2].cells[i + 1].lastChild.textContent = words(upstream[i]);
    passed.forEach((values, rule) => {
      const cell = rows[3 + rule].cells[i + 1], stops = values[i] === 0;
      cell.textContent = stops ? 'stopped' : words(values[i]);
      cell.className = stops ? 'stopped' : 'passed';
    });
  });
}

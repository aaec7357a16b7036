'use strict';
// A gradient, checked.

async function bookCheck() {
  const x = [0.7, -1.2, 2, 0.3], { gradient, differences, found, worst: [element, error] } = await learn.engine.ask({ ask: 'check', x, mistake: $('check-mistake').value });
  const row = (head, values) => make('tr', {}, make('th', { scope: 'row', textContent: head }), ...values.map(value => make('td', { textContent: value })));
  const words = value => String(value).replace('-', '−'), digits = values => values.map(value => value.toFixed(6).replace('-', '−'));
  $('check-table').replaceChildren(make('tbody', {}, row('x', x.map(words)), row('the gradient, as it was written', digits(gradient)), row('the difference, (y(x + h) − y(x − h)) / 2h', digits(differences))));
  $('check-says').replaceChildren(make('b', { className: found ? 'fails' : 'holds', textContent: found ? '✗ The check found a mistake. ' : '✓ The gradient is right. ' }),
    found ? `At x = ${words(x[element])} gradient and difference differ by ${number(Number((100 * error).toPrecision(2)))} % of the larger.` : 'All four agree with their differences to a millionth.');
}

$('check-mistake').onchange = () => bookCheck().catch(error => bookProblem(error.message));

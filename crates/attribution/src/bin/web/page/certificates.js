'use strict';
// What theory says of a map, checked, and records.

async function whyCertify() {
  whyLate(why.asked, 'Checking. It may take a minute…');
  try {
    const { certificates, holds } = await why.engine.ask({ ask: 'certify', target: whyTargets()[0] });
    const checked = holds.filter(held => held !== null), held = checked.filter(Boolean).length;
    const lines = certificates.map((certificate, index) => {
      const mark = holds[index] === null ? ['quiet', '– '] : holds[index] ? ['holds', '✓ holds: '] : ['fails', '✗ doesn’t hold: '];
      return make('li', {}, make('b', {}, make('span', { className: mark[0], textContent: mark[1] }), certificate.identity + (certificate.layer ? ` at ${certificate.layer}` : '')),
        `${sentence(certificate.meaning)} ${finding(certificate.finding)}`);
    });
    $('why-certificates').replaceChildren(
      make('p', {}, `Theory says that certain pairs of numbers are equal. They were computed in two ways, and ${held} of ${checked.length} agree up to rounding.`),
      make('details', { id: 'why-identities' }, make('summary', { textContent: 'Each of them' }), make('ul', { className: 'certificates' }, ...lines)));
    whyBusy('');
  } catch (error) {
    if (!why.slow) return;
    whyBusy('');
    whyProblem(error.message);
    if (error.lost) await whyAgain();
  }
  why.slow = false;
  $('why-stop').hidden = true;
}

/** The result of a check, in words. */
function finding(found) {
  const sides = ({ left, right, ulps, allowed }, by) => `${number(left)} and ${number(right)}: ${number(ulps)} units in the last place apart, ${by} ${number(Math.round(allowed))}.`;
  if (found.checked) return sides(found.checked, 'rounding allows');
  if (found.estimated) return sides(found.estimated, 'an estimate allows');
  if (found.inapplicable) return `It doesn’t apply: ${found.inapplicable.reason}.`;
  return `Nothing is conserved: ${number(found.unconserved.arrived)} arrives of a score of ${number(found.unconserved.score)}.`;
}

async function whySave() {
  whyBusy('Writing the record…');
  try {
    const { record } = await why.engine.ask({ ask: 'record', explained: whyAsks() });
    download(`${why.photo.name}.explained.json`, record, 'application/json');
    whyBusy('Saved. `glassbox verify` computes these maps again and compares the bits.', true);
  } catch (error) {
    whyBusy('');
    whyProblem(error.message);
  }
}

'use strict';
// Several workers, for what takes long.

const MOST_WORKERS = 4;

/** The number of workers for this number of tasks: that of the machine's processors, within limits. */
const workersFor = tasks => clamp(navigator.hardwareConcurrency || 2, 1, Math.min(MOST_WORKERS, tasks));

/** Workers that know the network and the photograph. */
const helpers = [];

/** Ends the other workers. They are started again when they are needed. */
function helpersEnd(reason) {
  for (const engine of helpers.splice(0)) engine.end(reason);
}

function helper(index) {
  const [name, bytes] = why.file;
  return helpers[index] ??= new Engine([...why.engine.prepare, [{ ask: 'photo', name }, () => bytes]]);
}

/** A map whose runs of the network several workers share: the same bits as from one. `told` hears how far they have got. */
async function sharedMap(ask, told) {
  const count = workersFor(MOST_WORKERS), done = Array(count).fill(0);
  const shares = await Promise.all(done.map(async (_, worker) => {
    const engine = worker === 0 ? why.engine : helper(worker - 1);
    const { scores } = await engine.ask({ ask: 'share', ...ask, worker, count }, undefined, share => {
      done[worker] = share;
      told(done.reduce((sum, share) => sum + share));
    });
    return scores;
  }));
  const bytes = new Uint8Array(await new Blob(shares).arrayBuffer());
  return why.engine.ask({ ask: 'explain', ...ask, shares: shares.map(({ length }) => length) }, bytes);
}

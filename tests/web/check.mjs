// Runs the checks, see README.md.

import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { begin, checks, end } from './checks.mjs';

// Each lane is a thread with a browser of its own.
const LANES = 2;

// Starts a lane; the function that it returns has the lane run a check.
function lane(files) {
  const worker = new Worker(new URL(import.meta.url), { workerData: files });
  return name => new Promise((resolve, reject) => {
    worker.removeAllListeners().once('message', resolve).once('error', reject);
    worker.postMessage(name);
  });
}

if (isMainThread) {
  const [page, program, ...only] = process.argv.slice(2);
  if (!program) throw new Error('usage: node check.mjs PAGE.html GLASSBOX [CHECK …]');
  const left = Object.keys(checks).filter(name => !only.length || only.some(part => name.includes(part)));
  const lanes = Array.from({ length: LANES }, () => lane([page, program]));
  const checkNext = async run => {
    const name = left.shift(), began = performance.now(), fault = await run(name);
    console.log(fault ? `FAIL ${name}\n${fault}` : `ok   ${name} (${((performance.now() - began) / 1000).toFixed(1)} s)`);
    if (fault) process.exitCode = 1;
  };
  // The first, which tells times, has the machine to itself.
  if (left.length) await checkNext(lanes[0]);
  await Promise.all(lanes.map(async run => {
    while (left.length) await checkNext(run);
    await run(null);
  }));
} else {
  await begin(workerData);
  parentPort.on('message', async name => {
    if (name === null) {
      await end();
      parentPort.postMessage(null);
      parentPort.close();
    } else {
      parentPort.postMessage(await checks[name]().then(() => null, error => error.stack));
    }
  });
}

'use strict';
// Workers, and what the page carries for them.

/** Bytes that the page carries, unpacked. */
async function carried(id) {
  const text = document.getElementById(id).textContent, bytes = new Uint8Array(Math.floor(text.length * 7 / 8));
  // Seven bits a character, as `glassbox page` writes them.
  for (let i = 0, at = 0, bits = 0, count = 0; i < text.length; i++) {
    bits = bits << 7 | text.charCodeAt(i) & 127;
    count += 7;
    if (count >= 8) bytes[at++] = bits >> (count -= 8);
  }
  return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
}

let compiled = null;

/** The module, compiled once for all workers. */
function code() {
  return compiled ??= carried('module').then(bytes => WebAssembly.compile(bytes)).catch(error => {
    throw new Error(error instanceof WebAssembly.CompileError
      ? 'This browser can’t run the network: it lacks WebAssembly’s vector instructions. Browsers since 2023 have them.'
      : error.message);
  });
}

/** A worker with an instance of the module. What `prepare` asks is asked again after a loss. */
class Engine {
  constructor(prepare = []) {
    this.prepare = prepare;
    this.waiting = new Map();
    this.next = 0;
    this.start();
  }

  start() {
    const source = document.getElementById('worker').textContent;
    const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    this.worker = new Worker(url);
    URL.revokeObjectURL(url);
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = event => this.stop(event.message || 'The worker was lost.');
    const { worker } = this;
    this.coded = code().then(code => worker.postMessage({ code }));
    this.ready = this.prepared();
    // Whoever asks is told.
    this.ready.catch(() => {});
  }

  /** The answer to the last preparation. */
  async prepared() {
    let last = null;
    for (const [ask, bytes] of this.prepare) last = await this.send(ask, await bytes?.());
    return last;
  }

  async send(ask, bytes, told) {
    await this.coded;
    const id = this.next++, { worker } = this;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject, told });
      worker.postMessage({ id, ask, bytes });
    });
  }

  /** What the module answers; an `Error` with a sentence if it can't. `told` hears how far it has got, from 0 to 1. */
  async ask(ask, bytes, told) {
    await this.ready;
    return this.send(ask, bytes, told);
  }

  receive({ id, answer, failed, lost, progress }) {
    const asked = this.waiting.get(id);
    if (progress !== undefined) {
      asked?.told?.(progress);
      return;
    }
    this.waiting.delete(id);
    if (lost) {
      this.ready = this.prepared();
      this.ready.catch(() => {});
    }
    if (failed) asked?.reject(Object.assign(new Error(failed), { lost }));
    else asked?.resolve(answer);
  }

  /** Ends what is being computed, and begins anew. */
  stop(reason = 'Stopped.') {
    this.end(reason);
    this.start();
  }

  end(reason) {
    this.worker.terminate();
    const waiting = [...this.waiting.values()];
    this.waiting.clear();
    for (const { reject } of waiting) reject(Object.assign(new Error(reason), { lost: true }));
  }
}

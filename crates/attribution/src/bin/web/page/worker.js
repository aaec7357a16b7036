'use strict';
// A worker with an instance of the module. It answers messages { id, ask, bytes } with { id, answer } or { id, failed }.

const encoder = new TextEncoder(), decoder = new TextDecoder();
let module = null, instance = null, current = null;

/** What the module imports: it tells how far a method has got. */
const page = { told: (done, total) => self.postMessage({ id: current, progress: done / total }) };

/** What is written at this address: JSON, with the arrays that it refers to. */
function read(at) {
  const { buffer } = instance.exports.memory, head = new DataView(buffer, at, 8);
  const json = head.getUint32(0, true), bytes = head.getUint32(4, true), start = at + 8 + json;
  // A copy: the memory may move with the next message.
  const arrays = buffer.slice(start, start + bytes);
  const revive = (_, value) => {
    if (value && Array.isArray(value.f32)) return new Float32Array(arrays, ...value.f32);
    if (value && Array.isArray(value.u8)) return new Uint8ClampedArray(arrays, ...value.u8);
    return value;
  };
  return [JSON.parse(decoder.decode(new Uint8Array(buffer, at + 8, json)), revive), arrays];
}

function call(ask, bytes) {
  const { exports } = instance, json = encoder.encode(JSON.stringify(ask));
  const at = exports.room(4 + json.length + bytes.length) >>> 0;
  new DataView(exports.memory.buffer, at).setUint32(0, json.length, true);
  const room = new Uint8Array(exports.memory.buffer, at, 4 + json.length + bytes.length);
  room.set(json, 4);
  room.set(bytes, 4 + json.length);
  return read(exports.answer() >>> 0);
}

const TOO_LARGE = 'This needs more memory than the browser gives a page.';

/** Why an instance ended, in words. */
function lastWords(error) {
  if (/call stack/i.test(error.message)) return 'The file is nested too deeply.';
  if (error instanceof RangeError || /memory|allocation/i.test(error.message)) return TOO_LARGE;
  try {
    const [{ panicked }] = read(instance.exports.reply() >>> 0);
    if (panicked) return `This is a fault of Glassbox: ${panicked}`;
  } catch { /* Nothing was left. */ }
  // Without a panic, the memory gave out.
  return error.message === 'unreachable' ? TOO_LARGE : `The calculation ended: ${error.message}`;
}

self.onmessage = async ({ data: { id, ask, bytes, code } }) => {
  if (code) {
    module = code;
    return;
  }
  try {
    instance ??= await WebAssembly.instantiate(module, { page });
    current = id;
    const began = performance.now(), [answer, arrays] = call(ask, bytes ?? new Uint8Array());
    answer.took = performance.now() - began;
    answer.memory = instance.exports.memory.buffer.byteLength;
    self.postMessage(answer.failed ? { id, failed: answer.failed } : { id, answer }, [arrays]);
  } catch (error) {
    const failed = instance ? lastWords(error) : error.message;
    // After a trap nothing in it can be relied on.
    instance = null;
    self.postMessage({ id, failed, lost: true });
  }
};

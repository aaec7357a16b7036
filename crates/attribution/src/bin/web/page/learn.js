'use strict';
// Watch it learn: a training that can be paused, stepped and changed.

const learn = {
  engine: null,
  running: false,
  /** Whether it is to end after the steps that are under way. */
  pausing: false,
  begun: null,
  /** [step, loss, score] of each step. */
  steps: [],
  looked: null,
  blocks: [],
  /** The set of pictures that it learns from. */
  set: 'garments',
  /** The user's own classes and the labels of their pictures, whose pixels are `bytes`. */
  own: null,
  bytes: null,
  /** Counts beginnings, so that what belongs to an earlier one is dropped. */
  turn: 0,
};
const START = '8np,16np,32np';
const STEPS_AT_ONCE = 4, LOOK_EVERY = 500;

/** A network with random weights. */
async function learnBegin() {
  const turn = ++learn.turn;
  Object.assign(learn, { running: false, steps: [], looked: null });
  learnButtons();
  learnSay('Preparing…', true);
  learnProblem('');
  try {
    const set = $('learn-pictures').value, { pictures, pixels } = await picturesOf(set);
    if (turn !== learn.turn) return;
    learn.engine?.end('Started over.');
    learn.engine = new Engine([[{ ask: 'begin', settings: { ...learnSettings(), pictures } }, () => pixels]]);
    const begun = await learn.engine.ready;
    if (turn !== learn.turn) return;
    Object.assign(learn, { begun, set });
    keepColours(begun);
    writeAddress();
    learnTiles();
    learnWords();
    learnSize();
    learnCurves();
    await learnLook();
    learnSay(`${begun.images.toLocaleString('en')} pictures to learn from. Press Train.`);
    document.documentElement.dataset.ready = 'learn';
    document.dispatchEvent(new Event('begun'));
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
  }
}

async function learnRun() {
  if (learn.running) {
    learn.pausing = true;
    return;
  }
  const { turn } = learn;
  Object.assign(learn, { running: true, pausing: false });
  learnButtons();
  let looked = performance.now();
  while (learn.running && !learn.pausing && turn === learn.turn) {
    if (!await learnSteps(STEPS_AT_ONCE)) break;
    if (performance.now() - looked > LOOK_EVERY) {
      await learnLook();
      looked = performance.now();
    }
    // The page is drawn in between.
    await new Promise(requestAnimationFrame);
  }
  if (turn === learn.turn && learn.running) {
    await learnLook();
    learn.running = false;
    learnButtons();
  }
}

async function learnSteps(steps) {
  const { turn } = learn;
  try {
    const answer = await learn.engine.ask({ ask: 'train', steps, learning_rate: rate() });
    if (turn !== learn.turn) return false;
    learn.steps.push(...answer.steps);
    const [step] = learn.steps.at(-1), took = answer.took / answer.steps.length;
    learnSay(`Step ${step}, pass ${Math.floor((step - 1) / learn.begun.each) + 1} through the pictures, ${took < 10 ? took.toFixed(1) : Math.round(took)} ms a step.`);
    learnCurves();
    return true;
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
    return false;
  }
}

async function learnLook() {
  const { turn } = learn;
  try {
    const looked = await learn.engine.ask({ ask: 'look' });
    if (turn !== learn.turn) return;
    learn.looked = looked;
    learnWatched();
    learnConfusion();
    learnCurves();
    await learnGuess();
  } catch (error) {
    if (turn === learn.turn) learnFailed(error);
  }
}

function learnFailed(error) {
  learn.running = false;
  learnButtons();
  learnSay('');
  learnProblem(`${error.message} ${learn.steps.length ? 'Start over, perhaps with a lower learning rate.' : ''}`);
}

// ---- Events ----

function learnShow() {
  if (learn.turn) return;
  readAddress();
  learnBlocks();
  learnRate();
  learnBegin();
}

function learnRate() {
  $('learn-rate-value').textContent = Number(rate().toPrecision(2)).toString();
}

async function learnSave(onnx) {
  try {
    const { file } = await learn.engine.ask({ ask: 'save', onnx });
    download(`${learn.set}.${onnx ? 'onnx' : 'safetensors'}`, file, 'application/octet-stream');
  } catch (error) {
    learnProblem(error.message);
  }
}

$('learn-run').onclick = learnRun;
$('learn-step').onclick = async () => { if (await learnSteps(1)) await learnLook(); };
$('learn-again').onclick = learnBegin;
$('learn-rate').oninput = () => { learnRate(); writeAddress(); };
$('learn-add').onclick = () => learnChange(() => learn.blocks.push({ channels: 16, norm: true, pool: false }));
for (const id of ['learn-pictures', 'learn-average', 'learn-optimizer', 'learn-batch', 'learn-seed']) $(id).onchange = () => learnChange(() => {});
$('learn-save').onclick = () => learnSave(false);
$('learn-onnx').onclick = () => learnSave(true);

'use strict';
// The user's own classes: drawings, photographs, the camera.

const own = { classes: [{ name: 'first', pictures: [] }, { name: 'second', pictures: [] }], camera: null };

/** The middle square of a picture, as the network takes it: grey, SIDE × SIDE. */
function shrunk(source, width, height) {
  const side = Math.min(width, height), canvas = make('canvas', { width: SIDE, height: SIDE }), context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, SIDE, SIDE);
  const { data } = context.getImageData(0, 0, SIDE, SIDE);
  return Uint8ClampedArray.from({ length: SIDE * SIDE }, (_, i) => 0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
}

async function ownFiles(entry, files) {
  for (const file of files) {
    try {
      const bitmap = await createImageBitmap(file);
      entry.pictures.push(shrunk(bitmap, bitmap.width, bitmap.height));
      bitmap.close();
    } catch {
      learnProblem(`${file.name} is no picture that this browser reads.`);
    }
  }
  ownList();
}

/** Pictures of a folder, each in the class that its own folder names. */
async function ownFolder(files) {
  const filled = own.classes.filter(({ pictures }) => pictures.length > 0), classes = new Map(filled.map(entry => [entry.name, entry]));
  for (const file of files.filter(({ name }) => PICTURE.test(name))) {
    const name = file.webkitRelativePath.split('/').at(-2) ?? 'pictures';
    if (!classes.has(name)) classes.set(name, { name, pictures: [] });
    await ownFiles(classes.get(name), [file]);
  }
  own.classes = [...classes.values()];
  ownList();
}

async function ownCamera(entry) {
  const video = $('own-video');
  try {
    if (!own.camera) {
      own.camera = await navigator.mediaDevices.getUserMedia({ video: true });
      Object.assign(video, { srcObject: own.camera, hidden: false });
      await video.play();
      // The first picture is taken with the next press.
      return;
    }
    entry.pictures.push(shrunk(video, video.videoWidth, video.videoHeight));
    ownList();
  } catch {
    learnProblem('The browser doesn’t give this page a camera. Photographs from files work everywhere.');
  }
}

function ownStop() {
  own.camera?.getTracks().forEach(track => track.stop());
  own.camera = null;
  Object.assign($('own-video'), { srcObject: null, hidden: true });
}

function ownList() {
  $('own-classes').replaceChildren(...own.classes.map((entry, index) => {
    const name = make('input', { type: 'text', value: entry.name, maxLength: 40, ariaLabel: `Name of class ${index + 1}` });
    name.oninput = () => { entry.name = name.value; };
    const button = (text, act, label) => Object.assign(make('button', { type: 'button', textContent: text, ariaLabel: label ?? `${text}, class ${index + 1}` }), { onclick: act });
    const file = make('input', { type: 'file', accept: 'image/*', multiple: true, className: 'unseen', ariaLabel: `Files for class ${index + 1}` });
    file.onchange = () => ownFiles(entry, [...file.files]);
    const pictures = entry.pictures.slice(-24).map(pixels => {
      const canvas = make('canvas', { width: SIDE, height: SIDE });
      canvas.setAttribute('aria-hidden', 'true');
      paintTile(canvas, pixels, null);
      return canvas;
    });
    return make('li', {}, name, make('span', { className: 'quiet', textContent: `${entry.pictures.length} pictures` }),
      button('My drawing', () => { if (drawing.pixels.some(v => v > 0)) { entry.pictures.push(drawing.pixels.slice()); ownList(); } }),
      make('label', { className: 'button' }, file, make('span', { textContent: 'Files' })), button('Camera', () => ownCamera(entry)),
      button('×', () => { own.classes.splice(index, 1); ownList(); }, `Remove class ${index + 1}`), make('div', { className: 'pictures' }, ...pictures));
  }));
}

async function ownUse() {
  const full = own.classes.filter(({ pictures }) => pictures.length > 0);
  if (full.length < 2) {
    learnProblem('Give at least two classes some pictures first.');
    return;
  }
  ownStop();
  const pictures = full.flatMap((entry, label) => entry.pictures.map(pixels => [label, pixels]));
  learn.own = { classes: full.map(({ name }, index) => name || `class ${index + 1}`), labels: pictures.map(([label]) => label), tried: 0 };
  learn.bytes = Uint8Array.from(pictures.flatMap(([, pixels]) => [...pixels]));
  $('learn-pictures').options[2].disabled = false;
  $('learn-pictures').value = 'own';
  await learnBegin();
}

$('own-add').onclick = () => { own.classes.push({ name: `class ${own.classes.length + 1}`, pictures: [] }); ownList(); };
$('own-use').onclick = ownUse;
$('own-folder').onchange = event => ownFolder([...event.target.files]);
ownList();

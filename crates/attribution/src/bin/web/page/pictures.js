'use strict';
// What a network learns from: the page's pictures or the user's.

const SIDE = 28;
/** The sets of pictures, with the words for what one of them is. */
const SETS = {
  garments: { one: 'a garment', how: 'large and filled' },
  digits: { one: 'a digit', how: 'in one stroke or two; it is centred before the network sees it' },
  own: { one: 'something', how: 'like the pictures of your classes' },
};

/** What `begin` is told of the pictures, and their pixels. */
async function picturesOf(set) {
  if (set === 'own') return { pictures: learn.own, pixels: learn.bytes };
  const bytes = await carried(set), length = new DataView(bytes.buffer).getUint32(0, true);
  return { pictures: JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length))), pixels: bytes.subarray(4 + length) };
}

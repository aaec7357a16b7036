'use strict';
// Which page is shown, and what is dropped on it.

const PAGES = { why: whyShow, learn: learnShow, book: bookShow };

/** The page and the piece in the address: `#book/convolution`. */
function show() {
  const [name] = location.hash.slice(1).split(/[/?]/), page = name in PAGES ? name : 'why';
  for (const section of document.querySelectorAll('.page')) section.hidden = section.id !== `page-${page}`;
  for (const link of document.querySelectorAll('.top nav a')) {
    if (link.hash === `#${page}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  PAGES[page]();
}

window.addEventListener('hashchange', show);
window.addEventListener('dragover', event => {
  event.preventDefault();
  document.body.classList.add('dropping');
});
window.addEventListener('dragleave', event => { if (!event.relatedTarget) document.body.classList.remove('dropping'); });
window.addEventListener('drop', event => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  const files = [...event.dataTransfer.files];
  if (!files.length) return;
  if (location.hash.startsWith('#learn')) location.hash = '#why';
  whyFiles(files);
});
new ResizeObserver(() => requestAnimationFrame(whyDraw)).observe($('why-frames'));
show();

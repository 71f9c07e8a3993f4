// One task: selecting a step, the picture in full, and the page that goes on while the task does.
(() => {
  const page = document.querySelector('[data-task-page]');
  if (!page) return;
  const steps = () => [...page.querySelectorAll('a.ox-step[data-step]')];
  let chosen = null; // what the reader selected, e.g. "step-9"; null: the page's own choice
  const cache = new Map();

  const mark = (key) => {
    for (const link of page.querySelectorAll('[data-step]')) {
      if (link.dataset.step === key) link.setAttribute('aria-current', 'true');
      else link.removeAttribute('aria-current');
    }
    const thumb = page.querySelector(`.ox-strip [data-step="${CSS.escape(key)}"]`);
    const strip = thumb?.closest('.ox-strip');
    if (strip) strip.scrollTo({ left: thumb.offsetLeft - strip.offsetLeft - strip.clientWidth / 2 + thumb.clientWidth / 2 });
  };
  const load = (key) => {
    if (!cache.has(key)) {
      const query = new URLSearchParams(location.search).get('try');
      const address = `${page.dataset.stepUrl}${encodeURIComponent(key.slice(5))}/${query ? `?try=${encodeURIComponent(query)}` : ''}`;
      const answer = fetch(address, { credentials: 'same-origin', redirect: 'error' }).then((found) => {
        if (!found.ok) throw new Error(String(found.status));
        return found.text();
      });
      cache.set(key, answer);
      answer.catch(() => cache.delete(key));
    }
    return cache.get(key);
  };
  const show = async (key) => {
    chosen = key;
    mark(key);
    let html;
    try {
      html = await load(key);
    } catch {
      return;
    }
    if (chosen !== key) return;
    const fresh = new DOMParser().parseFromString(html, 'text/html');
    for (const name of ['stage', 'candidates', 'evidence']) {
      const part = page.querySelector(`[data-part="${name}"]`);
      const other = fresh.querySelector(`[data-part="${name}"]`);
      if (part && other) part.replaceChildren(...other.childNodes);
    }
  };
  page.addEventListener('click', (event) => {
    const link = event.target.closest('[data-step]');
    if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
      event.preventDefault();
      history.replaceState(null, '', `#${link.dataset.step}`);
      show(link.dataset.step);
      return;
    }
    const large = event.target.closest('[data-large]');
    if (large && !event.ctrlKey && !event.metaKey) { event.preventDefault(); full(); }
  });
  page.addEventListener('pointerover', (event) => {
    const link = event.target.closest('[data-step]');
    if (link) load(link.dataset.step).catch(() => {});
  });

  const full = () => {
    const picture = page.querySelector('[data-picture]');
    if (!picture) return;
    const dialog = document.createElement('dialog');
    dialog.className = 'ox-full';
    dialog.setAttribute('aria-label', 'Large picture');
    const close = Object.assign(document.createElement('button'), { className: 'ox-btn', type: 'button', textContent: 'Close' });
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener('close', () => dialog.remove());
    dialog.append(close, picture.cloneNode(true));
    document.body.append(dialog);
    dialog.showModal();
  };

  const light = (event, on) => {
    const row = event.target.closest('[data-candidate-row], [data-candidate]');
    if (!row) return;
    const number = row.dataset.candidateRow || row.dataset.candidate;
    page.querySelectorAll(`[data-candidate="${number}"] rect`).forEach((node) => node.classList.toggle('lit', on));
    page.querySelectorAll(`[data-candidate-row="${number}"]`).forEach((node) => node.classList.toggle('lit', on));
  };
  for (const [name, on] of [['pointerover', true], ['pointerout', false], ['focusin', true], ['focusout', false]]) {
    page.addEventListener(name, (event) => light(event, on));
  }

  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem('inferenceSingleKeys') === 'off') return;
    if (event.target.closest('input, textarea, select') || document.querySelector('dialog[open]')) return;
    if (event.key === 'f') { event.preventDefault(); full(); return; }
    if (event.key !== 'j' && event.key !== 'k') return;
    const found = steps();
    const now = found.findIndex((step) => step.hasAttribute('aria-current'));
    const next = found[Math.min(found.length - 1, Math.max(0, now + (event.key === 'j' ? 1 : -1)))];
    if (!next) return;
    next.focus({ preventScroll: true });
    next.scrollIntoView({ block: 'nearest' });
    history.replaceState(null, '', `#${next.dataset.step}`);
    show(next.dataset.step);
  });

  page.addEventListener('submit', (event) => {
    if (!event.target.matches('[data-cancel]')) return;
    const pill = page.querySelector('[data-pill] .ox-pill');
    pill?.classList.add('ox-dim');
    if (pill) pill.lastChild.textContent = 'Cancelling';
  });

  const fromHash = () => {
    const key = location.hash.slice(1);
    if (/^step-[p\d]+$/.test(key)) show(key);
  };
  addEventListener('hashchange', fromHash);
  fromHash();
  const current = page.querySelector('a.ox-step[aria-current]');
  if (current) mark(current.dataset.step);

  if (page.dataset.liveUrl) {
    window.inferenceLive(() => page.dataset.liveUrl, async (answer) => {
      const fresh = new DOMParser().parseFromString(`<div class="ox">${await answer.text()}</div>`, 'text/html');
      const goesOn = fresh.querySelector('[data-goes-on]') !== null;
      cache.clear();
      window.inferenceSwap(page, fresh, { keep: chosen ? ['stage', 'candidates', 'evidence'] : [] });
      const now = chosen || page.querySelector('a.ox-step[aria-current]')?.dataset.step;
      if (now) mark(now);
      return goesOn;
    }, { seconds: 2 });
  }
})();

// The frame of every page: theme, menu, copying, clocks, shortcuts, jumping. Pages work without it.
(() => {
  const root = document.documentElement;
  const status = (text) => {
    const place = document.getElementById('ox-announce') || document.body.appendChild(
      Object.assign(document.createElement('div'), { id: 'ox-announce', className: 'ox-sr' }));
    place.setAttribute('role', 'status');
    place.textContent = text;
  };

  // --- menu and theme
  const toggleMenu = () => {
    if (matchMedia('(min-width: 1280px)').matches) {
      const wide = root.classList.toggle('fr-wide');
      localStorage.setItem('sidebarDesktopOpen', wide ? '0' : '1');
    } else {
      const open = root.classList.toggle('fr-open');
      document.querySelector(open ? '#fr-nav .fr-close' : '.fr-top [data-nav-toggle]')?.focus();
    }
  };
  const singleKeys = () => localStorage.getItem('inferenceSingleKeys') !== 'off';
  const showKeySetting = () => document.querySelectorAll('[data-keys-toggle]').forEach((button) => {
    button.setAttribute('aria-pressed', String(singleKeys()));
  });

  // --- copying
  const copyText = (button) => {
    if (button.dataset.copy) return button.dataset.copy;
    const source = document.getElementById(button.dataset.copyFrom);
    return (source?.matches('pre') ? source : source?.querySelector('pre') || source)?.textContent || '';
  };
  const copy = async (button) => {
    const text = copyText(button);
    try {
      await navigator.clipboard.writeText(text);
    } catch { // no clipboard without HTTPS
      const area = Object.assign(document.createElement('textarea'), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand('copy');
      area.remove();
    }
    status('Copied');
    const icon = button.querySelector('.material-symbols-outlined');
    if (icon && !icon.dataset.was) {
      icon.dataset.was = icon.textContent;
      icon.textContent = 'check';
      setTimeout(() => { icon.textContent = icon.dataset.was; delete icon.dataset.was; }, 1400);
    } else if (!icon && !button.dataset.was) {
      button.dataset.was = button.textContent;
      button.textContent = 'copied';
      setTimeout(() => { button.textContent = button.dataset.was; delete button.dataset.was; }, 1400);
    }
  };

  document.addEventListener('click', (event) => {
    const at = (selector) => event.target.closest(selector);
    let button = at('[data-copy], [data-copy-from]');
    if (button) { event.preventDefault(); copy(button); return; }
    if (at('[data-theme-toggle]')) { window.inferenceTheme.toggle(); return; }
    if (at('[data-theme-system]')) { window.inferenceTheme.followSystem(); return; }
    if (at('[data-nav-toggle]')) { event.preventDefault(); toggleMenu(); return; }
    if (at('[data-keys-toggle]')) {
      localStorage.setItem('inferenceSingleKeys', singleKeys() ? 'off' : 'on');
      showKeySetting();
      return;
    }
    button = at('[data-show]');
    if (button) {
      for (const other of button.parentElement.querySelectorAll('[data-show]')) {
        other.setAttribute('aria-pressed', String(other === button));
        const part = document.getElementById(other.dataset.show);
        if (part) part.hidden = other !== button;
      }
      return;
    }
    const jump = at('[data-jump]');
    if (jump && !event.ctrlKey && !event.metaKey) { event.preventDefault(); openJump(jump.dataset.jump); return; }
    if (root.classList.contains('fr-open') && !at('#fr-nav')) root.classList.remove('fr-open');
    for (const details of document.querySelectorAll('details.ox-pop[open], details.fr-user[open]')) {
      if (!details.contains(event.target)) details.open = false;
    }
  });

  // --- clocks: the server's time, counted on here
  const largest = (seconds) => {
    if (seconds < 60) return `${Math.floor(seconds)} s`;
    if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
    return `${Math.floor(seconds / 3600)} h`;
  };
  const clock = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 3600) return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
    return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  };
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const tick = () => {
    if (document.hidden) return;
    const now = Date.now();
    for (const node of document.querySelectorAll('time[data-ago]')) {
      const seconds = (now - Date.parse(node.dateTime)) / 1000;
      if (seconds < 86400) setText(node, seconds < 1 ? 'now' : `${largest(seconds)} ago`);
    }
    for (const node of document.querySelectorAll('[data-since]')) {
      setText(node, clock((now - Date.parse(node.dataset.since)) / 1000));
    }
    for (const node of document.querySelectorAll('[data-until]')) {
      setText(node, clock((Date.parse(node.dataset.until) - now) / 1000));
    }
  };
  setInterval(tick, 1000);

  // --- live: ask again every few seconds while somebody looks
  window.inferenceLive = (address, paint, { seconds = 3 } = {}) => {
    let etag = null;
    let timer = null;
    let asOf = new Date();
    let stopped = false;
    const badges = (text, off) => document.querySelectorAll('[data-live-badge]').forEach((badge) => {
      badge.toggleAttribute('data-off', off);
      setText(badge, text);
    });
    const ask = async () => {
      timer = null;
      if (document.hidden || stopped) return;
      try {
        const answer = await fetch(address(), {
          headers: etag ? { 'If-None-Match': etag } : {}, credentials: 'same-origin', cache: 'no-store', redirect: 'error',
        });
        if (answer.status === 200) {
          etag = answer.headers.get('ETag');
          if ((await paint(answer)) === false) stopped = true;
        } else if (answer.status !== 304) {
          throw new Error(String(answer.status));
        }
        asOf = new Date();
        badges('Live', false);
      } catch {
        const time = asOf.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
        badges(`Reconnecting, shown as of ${time}`, true);
      }
      if (!stopped) timer = setTimeout(ask, seconds * 1000);
    };
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden && !timer && !stopped) { tick(); ask(); }
    });
    timer = setTimeout(ask, seconds * 1000);
    return { again() { etag = null; clearTimeout(timer); ask(); }, stop() { stopped = true; clearTimeout(timer); } };
  };

  // --- jump to
  let jumpDialog = null;
  const openJump = (address) => {
    if (!jumpDialog) {
      jumpDialog = document.createElement('dialog');
      jumpDialog.className = 'ox-jump';
      jumpDialog.setAttribute('aria-label', 'Search or jump to');
      const input = Object.assign(document.createElement('input'), {
        type: 'search', placeholder: 'A page, an automation, or the end of a task’s id', autocomplete: 'off' });
      input.setAttribute('aria-label', 'Search or jump to');
      const list = document.createElement('ul');
      const hint = document.createElement('p');
      hint.textContent = 'Enter opens, arrows choose, Esc closes.';
      jumpDialog.append(input, list, hint);
      document.body.append(jumpDialog);
      let chosen = 0;
      let asked = 0;
      const mark = () => [...list.querySelectorAll('a')].forEach((link, position) => {
        link.setAttribute('aria-selected', String(position === chosen));
        if (position === chosen) link.scrollIntoView({ block: 'nearest' });
      });
      const fill = async () => {
        const mine = ++asked;
        const answer = await fetch(`${address}?q=${encodeURIComponent(input.value)}`, { credentials: 'same-origin' });
        const { targets } = await answer.json();
        if (mine !== asked) return;
        list.replaceChildren(...targets.map((target) => {
          const item = document.createElement('li');
          const link = Object.assign(document.createElement('a'), { href: target.link });
          link.setAttribute('role', 'option');
          const icon = Object.assign(document.createElement('span'), {
            className: 'material-symbols-outlined', textContent: target.icon, ariaHidden: 'true' });
          const title = Object.assign(document.createElement('span'), { className: 'ox-grow ox-cut', textContent: target.title });
          const note = Object.assign(document.createElement('span'), { className: 'ox-meta', textContent: target.hint });
          link.append(icon, title, note);
          item.append(link);
          return item;
        }));
        chosen = 0;
        mark();
      };
      let wait = null;
      input.addEventListener('input', () => { clearTimeout(wait); wait = setTimeout(fill, 150); });
      jumpDialog.addEventListener('keydown', (event) => {
        const links = list.querySelectorAll('a');
        if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
          event.preventDefault();
          chosen = (chosen + (event.key === 'ArrowDown' ? 1 : links.length - 1)) % Math.max(1, links.length);
          mark();
        } else if (event.key === 'Enter' && links[chosen]) {
          event.preventDefault();
          location.href = links[chosen].href;
        }
      });
      jumpDialog.addEventListener('click', (event) => { if (event.target === jumpDialog) jumpDialog.close(); });
      jumpDialog.fill = fill;
    }
    jumpDialog.querySelector('input').value = '';
    jumpDialog.showModal();
    jumpDialog.fill();
  };

  // --- shortcuts
  const GO = { h: 'index', t: 'inference/task/', a: 'inference/automation/', k: 'inference/apikey/' };
  const HELP = [['/', 'search'], ['Ctrl K', 'jump to'], ['G then H T A K', 'home, tasks, automations, keys'],
    ['J K', 'next and previous row or step'], ['Enter', 'open'], ['X', 'select a row'], ['R', 'run or retry'],
    ['C', 'cancel'], ['F', 'full picture'], ['?', 'this list']];
  const showHelp = () => {
    const dialog = document.createElement('dialog');
    dialog.className = 'ox-keys';
    dialog.setAttribute('aria-label', 'Shortcuts');
    const list = document.createElement('dl');
    for (const [key, means] of HELP) {
      const term = document.createElement('dt');
      term.append(Object.assign(document.createElement('kbd'), { className: 'ox-kbd', textContent: key }));
      list.append(term, Object.assign(document.createElement('dd'), { textContent: means }));
    }
    const close = Object.assign(document.createElement('button'), { className: 'ox-btn', textContent: 'Close', type: 'button' });
    close.addEventListener('click', () => dialog.close());
    dialog.addEventListener('close', () => dialog.remove());
    dialog.append(Object.assign(document.createElement('h2'), { className: 'ox-h', textContent: 'Shortcuts' }), list, close);
    document.body.append(dialog);
    dialog.showModal();
  };
  const inField = (target) => target.closest?.('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]');
  let went = 0;
  document.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
      const find = document.querySelector('[data-jump]');
      if (find) { event.preventDefault(); openJump(find.dataset.jump); }
      return;
    }
    if (event.key === 'Escape') {
      document.querySelectorAll('details.ox-pop[open], details.fr-user[open]').forEach((details) => {
        details.open = false;
        if (details.contains(document.activeElement)) details.querySelector('summary').focus();
      });
      root.classList.remove('fr-open');
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || !singleKeys() || inField(event.target)) return;
    if (document.querySelector('dialog[open]')) return;
    const key = event.key.toLowerCase();
    if (event.key === '/') {
      const search = document.querySelector('[data-search]');
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === '?') {
      event.preventDefault();
      showHelp();
    } else if (key === 'g') {
      went = Date.now();
    } else if (Date.now() - went < 1200 && key in GO) {
      went = 0;
      const home = document.querySelector('.fr-logo')?.getAttribute('href');
      if (home) location.href = key === 'h' ? home : home + GO[key];
    } else if (!event.shiftKey) {
      const target = [...document.querySelectorAll(`[data-key="${CSS.escape(key)}"]`)].find((node) => !node.disabled);
      if (target) { event.preventDefault(); target.click(); }
    }
  });

  // --- small helpers of several pages
  document.addEventListener('input', (event) => {
    const find = event.target.closest('[data-find]');
    if (!find) return;
    const wanted = find.value.trim().toLowerCase();
    for (const line of document.getElementById(find.dataset.find)?.children || []) {
      line.hidden = wanted !== '' && !line.textContent.toLowerCase().includes(wanted);
    }
  });
  document.querySelectorAll('[data-autosubmit]').forEach((form) => {
    form.addEventListener('change', () => form.requestSubmit());
  });
  const home = document.querySelector('[data-live-home]');
  if (home) {
    window.inferenceLive(() => location.href, async (answer) => {
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      window.inferenceSwap(document, fresh);
    }, { seconds: 5 });
  }
  showKeySetting();
  // Django's own two-sided select names a bare <span>; with a role the name is allowed.
  addEventListener('load', () => setTimeout(() => {
    document.querySelectorAll('.help-tooltip[aria-label]:not([role])').forEach((icon) => icon.setAttribute('role', 'img'));
  }));

  // Put fresh parts ([data-part]) in the place of old ones; what did not change is left alone.
  window.inferenceSwap = (page, fresh, { keep = [] } = {}) => {
    for (const part of page.querySelectorAll('[data-part]')) {
      if (keep.includes(part.dataset.part) || part.contains(document.activeElement) && document.activeElement.matches('input, textarea')) continue;
      const other = fresh.querySelector(`[data-part="${CSS.escape(part.dataset.part)}"]`);
      if (!other || other.outerHTML === part.outerHTML) continue;
      if (part.querySelector('details[open]')) continue;
      const typed = [...part.querySelectorAll('input[id], textarea[id]')].filter((field) => field.value !== field.defaultValue);
      const scrolls = [part, ...part.querySelectorAll('.ox-strip, .ox-loglines')];
      const kept = scrolls.map((node) => [node.scrollLeft, node.scrollTop, node.scrollHeight - node.scrollTop - node.clientHeight < 24]);
      for (const { name } of [...part.attributes]) if (!other.hasAttribute(name)) part.removeAttribute(name);
      for (const { name, value } of other.attributes) part.setAttribute(name, value);
      part.replaceChildren(...other.childNodes);
      for (const { id, value } of typed) {
        const field = part.querySelector(`#${CSS.escape(id)}`);
        if (field) field.value = value; // what somebody wrote and has not sent
      }
      [part, ...part.querySelectorAll('.ox-strip, .ox-loglines')].forEach((node, index) => {
        if (!kept[index]) return;
        node.scrollLeft = kept[index][0];
        node.scrollTop = kept[index][2] ? node.scrollHeight : kept[index][1];
      });
    }
  };
})();

// The task list: rows change in place, new ones are counted above the table, chosen ones get a bar of actions.
(() => {
  const card = document.querySelector('[data-live-list]');
  if (!card) return;
  const rows = () => [...card.querySelectorAll('tr[data-row]')];
  const boxOf = (row) => row.querySelector('input[name=task]');

  // --- selection
  const bar = document.querySelector('[data-bulk]');
  const all = card.querySelector('[data-select-all]');
  let lastBox = null;
  const chosen = () => rows().filter((row) => boxOf(row)?.checked);
  const showSelection = () => {
    const selected = chosen();
    rows().forEach((row) => row.setAttribute('aria-selected', String(Boolean(boxOf(row)?.checked))));
    if (all) {
      all.checked = selected.length > 0 && selected.length === rows().length;
      all.indeterminate = selected.length > 0 && !all.checked;
    }
    if (!bar) return;
    bar.hidden = selected.length === 0;
    bar.querySelector('[data-selected]').textContent = `${selected.length} selected`;
    const able = selected.filter((row) => boxOf(row).dataset.canCancel === '1').length;
    const button = bar.querySelector('button[type=submit]');
    button.setAttribute('aria-disabled', String(able === 0));
    button.title = able === 0 ? 'These have ended' : '';
    button.lastChild.textContent = able && able < selected.length ? `Cancel ${able}` : 'Cancel';
  };
  card.addEventListener('click', (event) => {
    const box = event.target.closest('input[name=task]');
    if (!box) return;
    const boxes = rows().map(boxOf);
    if (event.shiftKey && lastBox && boxes.includes(lastBox)) {
      const [from, to] = [boxes.indexOf(lastBox), boxes.indexOf(box)].sort((a, b) => a - b);
      boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
    }
    lastBox = box;
    showSelection();
  });
  all?.addEventListener('change', () => {
    rows().forEach((row) => { boxOf(row).checked = all.checked; });
    showSelection();
  });
  bar?.querySelector('[data-clear]').addEventListener('click', () => {
    rows().forEach((row) => { boxOf(row).checked = false; });
    showSelection();
  });
  bar?.addEventListener('submit', (event) => {
    if (bar.querySelector('button[type=submit]').getAttribute('aria-disabled') === 'true') { event.preventDefault(); return; }
    for (const row of chosen().filter((each) => boxOf(each).dataset.canCancel === '1')) {
      const pill = row.querySelector('.ox-pill');
      pill.classList.add('ox-dim');
      pill.lastChild.textContent = 'Cancelling';
    }
  });
  showSelection();

  // --- keys
  let at = -1;
  const move = (by) => {
    const found = rows();
    if (!found.length) return;
    at = Math.min(found.length - 1, Math.max(0, at + by));
    found[at].querySelector('a.ox-name').focus();
  };
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || localStorage.getItem('inferenceSingleKeys') === 'off') return;
    if (event.target.closest('input:not([type=checkbox]), textarea, select') || document.querySelector('dialog[open]')) return;
    const focused = rows().indexOf(document.activeElement?.closest?.('tr[data-row]'));
    if (focused >= 0) at = focused;
    if (event.key === 'j') move(1);
    else if (event.key === 'k') move(-1);
    else if (event.key === 'x' && at >= 0 && rows()[at]) { const box = boxOf(rows()[at]); if (box) { box.checked = !box.checked; showSelection(); } }
  });

  // --- live
  const newBar = card.querySelector('[data-new]');
  const address = () => {
    const query = new URLSearchParams(location.search);
    query.delete('before');
    query.delete('after');
    query.set('ids', rows().map((row) => row.dataset.row).join(','));
    query.set('newest', card.dataset.newest);
    return `${card.dataset.liveList}?${query}`;
  };
  const wasEmpty = rows().length === 0;
  window.inferenceLive(address, async (answer) => {
    const changes = await answer.json();
    for (const row of rows()) {
      const html = changes.rows[row.dataset.row];
      if (!html) continue;
      const holder = document.createElement('tbody');
      holder.innerHTML = html;
      const fresh = holder.querySelector('tr');
      const box = boxOf(row);
      if (box?.checked) boxOf(fresh).checked = true;
      const focus = row.contains(document.activeElement) ? [...row.querySelectorAll('a, button, input')].indexOf(document.activeElement) : -1;
      row.replaceWith(fresh);
      if (focus >= 0) fresh.querySelectorAll('a, button, input')[focus]?.focus();
    }
    showSelection();
    document.querySelectorAll('[data-tab]').forEach((tab) => {
      const count = changes.tabs[tab.dataset.tab];
      if (count !== undefined && tab.textContent !== count) tab.textContent = count;
    });
    const sentence = document.querySelector('[data-answer]');
    if (changes.answer && sentence.textContent !== changes.answer) sentence.textContent = changes.answer;
    if (changes.new && card.dataset.newest) {
      newBar.querySelector('[data-new-text]').textContent = changes.new;
      newBar.hidden = false;
    }
    // An empty first page has nothing to keep in place.
    if (wasEmpty && changes.any) location.reload();
  });
})();

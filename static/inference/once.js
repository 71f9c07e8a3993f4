// The page that holds a new key leaves no trace: not in the history's address, not behind "Back" or a reload.
(() => {
  const panel = document.querySelector('[data-once]');
  if (!panel) return;
  history.replaceState(null, '', panel.dataset.once);
  addEventListener('pagehide', () => panel.remove());
  addEventListener('pageshow', (event) => { if (event.persisted) location.replace(panel.dataset.once); });
})();

// Before the first paint: the theme, and the mark that scripts run. Kept as unfold keeps it (localStorage
// "adminTheme", JSON), so that its own pages agree.
(() => {
  const root = document.documentElement;
  root.classList.add('ox-js');
  const stored = () => {
    try { return JSON.parse(localStorage.getItem('adminTheme')) || 'auto'; } catch { return 'auto'; }
  };
  const dark = matchMedia('(prefers-color-scheme: dark)');
  const apply = () => {
    const theme = stored();
    root.classList.toggle('dark', theme === 'dark' || (theme === 'auto' && dark.matches));
  };
  window.inferenceTheme = {
    toggle() {
      localStorage.setItem('adminTheme', JSON.stringify(root.classList.contains('dark') ? 'light' : 'dark'));
      apply();
    },
    followSystem() {
      localStorage.setItem('adminTheme', JSON.stringify('auto'));
      apply();
    },
  };
  dark.addEventListener('change', apply);
  if (localStorage.getItem('sidebarDesktopOpen') === '0') root.classList.add('fr-wide');
  apply();
})();

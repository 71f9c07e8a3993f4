// The JSON editor: numbers lines, colors the text behind the textarea, jumps to findings. It stays a textarea.
(() => {
  const editor = document.querySelector('[data-editor]');
  if (!editor) return;
  const area = editor.querySelector('textarea');
  const gutter = editor.querySelector('.ox-edt__g');
  const paper = editor.querySelector('.ox-edt__p > span');
  const TOKEN = /("(?:[^"\\\n]|\\.)*")(\s*:)?|(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\btrue\b|\bfalse\b|\bnull\b)/g;
  // Above this size coloring would cost more than it gives.
  const LARGEST = 300000;
  const escape = (text) => text.replace(/[&<>]/g, (each) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[each]);
  let bad = new Map((editor.dataset.badLines || '').split(' ').filter(Boolean).map((each) => {
    const [line, state] = each.split(':');
    return [Number(line), state];
  }));

  const colored = (text) => {
    let html = '';
    let at = 0;
    for (const match of text.matchAll(TOKEN)) {
      const kind = match[1] === undefined ? 'n' : match[2] === undefined ? 's' : 'k';
      const token = match[1] ?? match[3];
      html += `${escape(text.slice(at, match.index))}<span class="${kind}">${escape(token)}</span>${escape(match[2] || '')}`;
      at = match.index + match[0].length;
    }
    return html + escape(text.slice(at));
  };
  const draw = () => {
    const text = area.value;
    const count = text.split('\n').length;
    gutter.innerHTML = Array.from({ length: count }, (_, line) => {
      const state = bad.get(line + 1);
      return `<span${state ? ` data-s="${state}"` : ''}>${line + 1}</span>`;
    }).join('\n');
    if (text.length <= LARGEST) paper.innerHTML = `${colored(text)}\n`;
    editor.classList.toggle('ox-edt--plain', text.length > LARGEST);
    follow();
  };
  // Moved through the object model, not a style attribute.
  const follow = () => {
    paper.style.setProperty('transform', `translate(${-area.scrollLeft}px, ${-area.scrollTop}px)`);
    gutter.scrollTop = area.scrollTop;
  };
  editor.classList.add('ox-edt--on');
  let drawing = 0;
  const saved = area.value;
  area.addEventListener('input', () => {
    bad = new Map();
    cancelAnimationFrame(drawing);
    drawing = requestAnimationFrame(draw);
    const tag = document.querySelector('[data-draft-tag]');
    if (tag && area.value !== saved) tag.textContent = 'changed, not published';
  });
  area.addEventListener('scroll', follow, { passive: true });
  area.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 's') {
      event.preventDefault();
      document.querySelector('[data-publish]')?.click();
    }
  });
  let leaving = false;
  document.addEventListener('submit', () => { leaving = true; });
  addEventListener('beforeunload', (event) => { if (!leaving && area.value !== saved) event.preventDefault(); });

  const goTo = (line) => {
    const lines = area.value.split('\n');
    const start = lines.slice(0, line - 1).reduce((sum, each) => sum + each.length + 1, 0);
    area.focus();
    area.setSelectionRange(start, start + (lines[line - 1] || '').length);
    area.scrollTop = Math.max(0, (line - 6) * 20);
    area.scrollIntoView({ block: 'nearest' });
  };
  document.addEventListener('click', async (event) => {
    const go = event.target.closest('[data-go-line]');
    if (go) goTo(Number(go.dataset.goLine));
    const copy = event.target.closest('[data-copy-editor]');
    if (copy) {
      copy.dataset.copy = area.value;
      copy.removeAttribute('data-copy-editor');
      copy.click();
      copy.removeAttribute('data-copy');
      copy.setAttribute('data-copy-editor', '');
    }
  });
  const file = document.querySelector('[data-editor-file]');
  file?.addEventListener('change', async () => {
    const chosen = file.files[0];
    if (!chosen || chosen.size > 8e6) return;
    area.value = await chosen.text();
    file.value = ''; // its text is in the editor now
    const name = document.getElementById('i-name');
    if (name && !name.value) name.value = chosen.name.replace(/\.json$/i, '');
    draw();
  });
  document.querySelector('[data-run]')?.addEventListener('keydown', (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === 'Enter') {
      event.preventDefault();
      event.currentTarget.requestSubmit();
    }
  });
  draw();
  if (bad.size) document.getElementById('findings')?.scrollIntoView({ block: 'nearest' });
})();

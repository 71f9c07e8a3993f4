"""Lists that are walked and counted: some stand there, some grow."""

_ADD = """const add = name => {
  const li = document.createElement('li');
  li.textContent = name;
  people.append(li);
};"""


def _people(names: str, script: str) -> str:
    items = "".join(f"<li>{name}</li>" for name in names.split())
    return f'<!doctype html><title>People</title><ul id="people">{items}</ul><p id="log"></p><script>{script}</script>'


_WITH_BUTTONS = """
for (const li of document.querySelectorAll('li')) {
  const name = li.textContent, button = document.createElement('button'), remove = document.createElement('button');
  button.textContent = 'Greet';
  button.onclick = () => log.append(name + ' ');
  remove.textContent = 'Remove';
  remove.onclick = () => { log.append(name + ' '); li.remove(); };
  li.append(button, remove);
}"""

PAGES = {
    # Each has a button that writes its name down, and one that removes it.
    "/people": _people("Ada Grace Alan", _WITH_BUTTONS),
    # Two lists in each other.
    "/teams": "<!doctype html><title>Teams</title>"
    "<section><h2>Red</h2><p>Ada</p><p>Grace</p></section><section><h2>Blue</h2><p>Alan</p></section>",
    # The first comes after a moment, the others one by one without any request.
    "/people-drawn": _people(
        "",
        _ADD + "let n = 0; setTimeout(() => { const timer = setInterval(() => {"
        "add('P' + ++n); if (n == 6) clearInterval(timer); }, 120); }, 300);",
    ),
    # One is there, the others are asked for.
    "/people-fetched": _people(
        "Ada", _ADD + "fetch('/slow?seconds=0.9').then(() => { for (const name of ['B', 'C', 'D']) add(name); });"
    ),
    # Complete, on a page that goes on growing elsewhere.
    "/people-beside-a-feed": _people("Ada Grace", "setInterval(() => log.append(document.createElement('i')), 40);"),
    "/people-without-end": _people("Ada", _ADD + "setInterval(() => add('one more'), 100);"),
    # In a frame that is there only later.
    "/people-in-a-late-frame": "<!doctype html><title>Late frame</title><script>setTimeout(() => {"
    "const frame = document.createElement('iframe'); frame.name = 'inner'; frame.src = '/people';"
    "document.body.append(frame); }, 300)</script>",
    # Asks for something a moment after it was opened.
    "/asks-later": '<!doctype html><title>Asks</title><p id="out">nothing</p>'
    "<script>setTimeout(() => fetch('/slow?seconds=0.6').then(() => out.textContent = 'answered'), 50)</script>",
}

"""Pages that something lies over: notices, pop-ups, and dialogs that belong to the page itself.

Each has a button “Work” under it. `window.clicked` has the name of every control that was clicked, in order, and
`out` shows it.
"""

_FRAME = """<!doctype html><title>Covered</title><style>
.full{position:fixed;inset:0;background:#0008;z-index:50}
.box{position:fixed;left:300px;top:150px;width:500px;min-height:200px;background:#fff;z-index:60}
.bar{position:fixed;left:0;right:0;bottom:0;height:120px;background:#eee;z-index:60}
.corner{position:fixed;right:10px;bottom:10px;width:300px;height:200px;background:#eee;z-index:60}
</style><main><h1>Claims</h1><p>All of the page's own text stands here, with its own links and its own words.</p>
<a href="/second">Second page</a>
<button style="position:absolute;left:400px;top:250px" onclick="note('Work')">Work</button>
</main><p id="out"></p><script>
function note(name) { out.textContent += name + ';'; }
function gone(element, name) { note(name); element.closest('[data-cover]').remove(); }
addEventListener('keydown', event => { if (event.key !== 'Escape') return; note('Escape');
  document.querySelector('[data-escape]')?.remove(); });
</script>"""


def _button(name: str, more: str = "") -> str:
    return f"""<button type="button" onclick="gone(this, '{name}')" {more}>{name}</button>"""


_CROSS = """<button type="button" aria-label="Close" onclick="gone(this, 'cross')">×</button>"""
_STAYS = """<button type="button" onclick="note('{name}')">{name}</button>"""

_COVERS = {
    # Cookie notices
    "bar": f"""<div class="bar" data-cover>We use cookies. {_button("Only necessary")} {_button("Accept all")}</div>""",
    "vendor": f"""<div id="onetrust-consent-sdk" data-cover><div class="full"></div><div class="bar">We value you.
      <a href="/second">Privacy policy</a> {_button("Settings")} {_button("Allow all")}</div></div>""",
    "german": f"""<div class="full"><div class="box" role="dialog" aria-modal="true" data-cover><h2>Datenschutz</h2>
      Diese Seite verwendet Cookies. {_button("Einstellungen")} {_button("Alle akzeptieren")}</div></div>
      <script>new MutationObserver(() => document.querySelector('.full:empty')?.remove())
      .observe(document.querySelector('.full'), {{childList: true}})</script>""",
    "french": f"""<aside class="bar cookie-bar" data-cover>Nous respectons votre vie.
      {_button("Continuer sans accepter")} {_button("Tout accepter")}</aside>""",
    "refuse": f"""<div class="bar" data-cover>Cookies! <a href="/second">Accept</a> {_button("Reject all")}</div>""",
    "late": f"""<script>setTimeout(() => document.body.insertAdjacentHTML('beforeend',
      `<div class="bar" data-cover>This site uses cookies. {_button("Got it")}</div>`), 500)</script>""",
    "framed": """<div class="full" id="sp_message_container_1" data-cover><iframe src="/overlay-frame"
      style="width:600px;height:300px"></iframe></div>""",
    "shadow": """<x-consent id="usercentrics-root" data-cover></x-consent><script>
      customElements.define('x-consent', class extends HTMLElement { connectedCallback() {
        const root = this.attachShadow({mode: 'open'});
        root.innerHTML = '<div style="position:fixed;inset:0;z-index:99"><button>Accept All</button></div>';
        root.querySelector('button').onclick = () => gone(this, 'Accept All'); }})</script>""",
    "under": f"""<div class="bar" data-cover>Cookies {_button("Accept", 'style="position:relative;z-index:-1"')}
      {_button("Decline", 'style="position:relative;z-index:2"')}
      <p style="position:absolute;inset:0;margin:0"></p></div>""",
    "form": """<div class="bar" data-cover>Cookies <form action="/second"><input type="checkbox" name="a" checked>
      <button>Accept</button></form><button type="button" onclick="gone(this, 'Decline')">Decline</button></div>""",
    # What wants something of the visitor
    "newsletter": f"""<div class="full" data-cover><div class="box"><h2>Join our newsletter</h2>
      <form action="/second"><input type="email" placeholder="Your email"><button>Subscribe</button></form>
      {_CROSS}</div></div>""",
    "declined": f"""<div class="full" data-cover><div class="box">Want 10 % off? {_button("Yes, send me news")}
      {_button("No, thanks")}</div></div>""",
    "icon": """<dialog data-cover><h2>New: dark mode</h2><a href="/second">Learn more</a>
      <span class="modal__close" style="cursor:pointer;display:inline-block;width:20px;height:20px"
      onclick="gone(this, 'icon')"></span></dialog><script>document.querySelector('dialog').showModal()</script>""",
    "chat": f"""<div class="corner" data-cover>How can we help you? <textarea></textarea>
      {_STAYS.format(name="Send")}<button onclick="gone(this, 'chat')" aria-label="Close chat">–</button></div>""",
    "spanish": f"""<div role="dialog" aria-modal="true" class="box" data-cover>Suscríbete
      {_button("Suscribirse")} {_button("Ahora no")}</div>""",
    "escape": """<div role="dialog" aria-modal="true" class="box" data-cover data-escape><h2>Our app</h2>
      <button onclick="note('Open the app')">Open the app</button></div>""",
    "notice": f"""<div role="alertdialog" class="box" data-cover>Opening hours have changed. {_button("OK")}</div>""",
    "two": f"""<div class="bar" data-cover>Cookies {_button("Agree")}</div>
      <div class="full" data-cover style="z-index:70"><div class="box">A survey {_button("Not now")}</div></div>""",
    "stubborn": f"""<div class="full" data-cover><div class="box"><h2>Wait!</h2>{_STAYS.format(name="Not now")}
      {_CROSS}</div></div>""",
    "lasting": f"""<div class="full" data-cover><div class="box"><h2>Stay here</h2>{_STAYS.format(name="Close")}
      </div></div>""",
    "leading": """<div class="full" data-cover><div class="box"><h2>Sale</h2><button aria-label="Close"
      onclick="location = '/second'">×</button></div></div>""",
    "link": """<div class="full" data-cover><div class="box"><h2>Ad</h2><a href="/second" aria-label="Close">×</a>
      </div></div>""",
    # What belongs to the page
    "delete": f"""<div class="full"></div><div role="dialog" aria-modal="true" class="box" data-cover data-escape
      style="top:0"><h2>Delete this claim?</h2>It cannot be undone.
      {_button("Cancel")} {_button("Delete")} {_CROSS}</div>""",
    "confirm": f"""<div role="alertdialog" class="box" data-cover data-escape><h2>Clear all cookies?</h2>
      {_button("OK")} {_button("Cancel")}</div>""",
    "consent_to_treatment": f"""<div role="dialog" aria-modal="true" class="box" data-cover data-escape>
      <h2>Consent to treatment</h2>I agree to the procedure. {_button("Accept")} {_button("Decline")}</div>""",
    "edit": f"""<div role="dialog" aria-modal="true" class="box" data-cover data-escape><h2>Edit patient</h2>
      <input value="Ada"> {_STAYS.format(name="Send")} {_CROSS}</div>""",
    "sign_in": f"""<div role="dialog" aria-modal="true" class="box" data-cover data-escape><h2>Sign in</h2>
      <input name="user"><input type="password"> {_button("Sign in")} {_CROSS}</div>""",
    "session": f"""<div role="alertdialog" class="box" data-cover data-escape><h2>Are you still there?</h2>
      {_button("Stay signed in")} {_button("Log out")}</div>""",
    "terms": f"""<div role="dialog" aria-modal="true" class="box" data-cover data-escape><h2>New terms of service</h2>
      Please read them. {_button("I agree")}</div>""",
    "drawer": f"""<div class="corner" style="top:10px" data-cover>Patient details {_CROSS}</div>""",
    # Nothing to do
    "none": "",
    "toast": f"""<div class="corner" role="status" data-cover>Saved {_CROSS}</div>""",
    "spinner": """<div class="full" data-escape></div>""",
    "sidebar": """<div style="position:fixed;left:0;top:0;bottom:0;width:200px" class="side">
      <button onclick="note('Delete all')">Delete all</button> <a href="/second">Reports</a></div>""",
}

FRAME = """<!doctype html><p>We and our partners use cookies.</p><button onclick="parent.gone(
frameElement, 'Accept in frame')">Accept</button>"""

PAGES = {f"/overlay/{name}": _FRAME + cover for name, cover in _COVERS.items()} | {"/overlay-frame": FRAME}

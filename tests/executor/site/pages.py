"""The pages of the tests' own site: each shows one thing that sites do."""

HOME = """<!doctype html><title>Home</title><h1>Home</h1>
<a href="/second">Second page</a> <a href="/second" target="_blank">Second in a new tab</a>
<button onclick="out.textContent='left'" oncontextmenu="out.textContent='right'; return false"
        ondblclick="out.textContent='double'" onauxclick="if(event.button===1) out.textContent='middle'">Press</button>
<div id="pad" style="width:200px;height:100px;background:#ddd"
     onclick="out.textContent='pad '+event.offsetX+','+event.offsetY" onmousemove="moves.textContent='moved'">pad</div>
<p id="out">nothing</p><p id="moves">still</p>
<button onclick="this.textContent='Gone '+(++clicks)">Once</button>
<button id="same">Twin</button><button>Twin</button>
<button disabled>Disabled</button>
<button style="display:none">Hidden</button>
<script>let clicks = 0</script>"""

SECOND = """<!doctype html><title>Second</title><h1>Second</h1><p id="where">second page</p>
<button onclick="window.close()">Close me</button>"""

FORM = """<!doctype html><title>Form</title><form onsubmit="out.textContent='sent '+q.value; return false">
<label>Name <input id="q" name="q" value="old"></label>
<label>Notes <textarea id="notes"></textarea></label>
<input id="typed" aria-label="Typed" oninput="events.textContent+='.'"><span id="events"></span>
<label>Plan <select id="plan" onchange="out.textContent='plan '+this.value">
<option value="">Choose</option><option value="hmo">HMO Basic</option>
<option value="ppo">PPO Plus</option></select></label>
<label>Days <select id="days" multiple><option>Monday</option><option>Tuesday</option>
<option>Friday</option></select></label>
<label><input type="checkbox" id="agree" onchange="changes.textContent+='c'"> Agree</label>
<label><input type="checkbox" id="news" checked onchange="changes.textContent+='n'"> News</label>
<label><input type="radio" name="color" id="red" onchange="changes.textContent+='r'"> Red</label>
<label><input type="radio" name="color" id="blue" checked> Blue</label>
<label class="drawn" style="position:relative;display:block;width:120px;height:24px">
  <input type="checkbox" id="under" style="position:absolute;left:0;top:0">
  <span style="position:absolute;left:0;top:0;width:120px;height:24px;background:#cde">Drawn</span></label>
<label>Card <input type="file" id="card" onchange="out.textContent='file '+this.files[0].name"></label>
<input type="file" id="hidden-file" style="display:none" onchange="out.textContent='hidden '+this.files[0].name">
<button>Save draft</button></form><p id="out"></p><p id="changes"></p>"""

LATE = """<!doctype html><title>Late</title><h1>Late</h1><div id="table">loading</div>
<button onclick="load()">Load again</button>
<script>
async function load() { table.innerHTML = 'loading'; table.innerHTML = await (await fetch('/late-rows')).text(); }
load();
setTimeout(() => { const b = document.createElement('button'); b.textContent = 'Late button';
  b.onclick = () => b.textContent = 'Pressed'; document.body.append(b); }, 700);
</script>"""
ROWS = "<table><tr><th>Name</th></tr><tr><td>Ada</td></tr><tr><td>Grace</td></tr></table>"

STREAMING = """<!doctype html><title>Streaming</title><h1 id="head">Streaming</h1>
<button onclick="new EventSource('/stream'); fetch('/stream'); out.textContent='listening'">Listen</button>
<p id="out">quiet</p>"""

POLLING = """<!doctype html><title>Polling</title>
<button onclick="fetch('/poll'); out.textContent='polled'">Poll</button>
<p id="out">quiet</p>"""

ANIMATED = """<!doctype html><title>Animated</title><div id="ball">o</div>
<button onclick="out.textContent='pressed'">Press</button><p id="out"></p>
<script>let x = 0; setInterval(() => ball.style.marginLeft = (x = (x + 1) % 300) + 'px', 16)</script>"""

RENDERED = """<!doctype html><title>Rendered</title><button onclick="show()">Show</button><ul id="list"></ul>
<script>
function show() { let n = 0; const timer = setInterval(() => {
  const item = document.createElement('li'); item.textContent = 'item ' + (++n); list.append(item);
  if (n === 8) clearInterval(timer); }, 50); }
</script>"""

TAMPERED = """<!doctype html><title>Tampered</title><button onclick="show()">Show</button><p id="out">before</p>
<script>
window.MutationObserver = class { observe() {} }; window.setTimeout.call = null; window.Promise.resolve = null;
performance.now = () => 0; Date.now = () => 0;
const later = setTimeout; window.setTimeout = () => 0;
function show() { later(() => out.textContent = 'half', 40); later(() => out.textContent = 'after', 110); }
</script>"""

FRAMES = """<!doctype html><title>Frames</title><h1>Frames</h1>
<iframe src="/frame" name="inner" id="inner" title="Inner"></iframe>
<x-card></x-card><p id="out"></p>
<script>customElements.define('x-card', class extends HTMLElement { connectedCallback() {
  const root = this.attachShadow({mode: 'open'});
  root.innerHTML = '<button>In shadow</button>';
  root.querySelector('button').onclick = () => document.getElementById('out').textContent = 'shadow';
}})</script>"""
FRAME = """<!doctype html><label>Inside
<input oninput="parent.document.getElementById('out').textContent=this.value"></label>"""

COVERED = """<!doctype html><title>Covered</title>
<button onclick="out.textContent='pressed'">Under</button><p id="out"></p>
<div id="cover" style="position:fixed;inset:0;background:#0008"></div>
<script>if (!location.search) setTimeout(() => cover.remove(), 1200)</script>"""

FILES = """<!doctype html><title>Files</title>
<a href="/report.csv">Export</a> <a href="/report.csv" target="_blank">Export in a tab</a>
<a href="/letter.pdf">Letter</a> <a href="/letter.pdf?once=1" target="_blank">Letter in a tab</a>
<a href="/named.pdf" target="_blank">Summary</a> <a href="/attached.pdf">Attached</a>
<a href="/huge.bin">Huge</a> <a href="/empty.csv">Empty</a> <a href="/evil.csv">Evil</a>
<button onclick="blob('text/csv')">Blob</button> <button onclick="tab()">Blob tab</button>
<button onclick="both()">Both</button> <button onclick="fetched()">Fetched</button> <button>Nothing</button>
<script>
const pdf = '%PDF-1.4 made in the page';
function save(data, type, name) { const a = document.createElement('a');
  a.href = window.URL.createObjectURL(new Blob([data], {type})); a.download = name; a.click(); }
function blob(type) { save('a,b', type, 'made.csv'); }
function tab() { window.open(window.URL.createObjectURL(new Blob([pdf], {type: 'application/pdf'}))); }
function both() { save('one', 'text/plain', 'one.txt'); save('two', 'text/plain', 'two.txt'); }
async function fetched() { const data = await (await fetch('/letter.pdf?fetched=1')).blob();
  save(data, 'application/pdf', 'fetched.pdf'); }
</script>"""

HUGE_BYTES = 40 * 1024 * 1024

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj "
    b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]>>endobj trailer<</Root 1 0 R>>"
)
PDF_2 = PDF + b"\n% another one"
CSV = b"claim,amount\nC-1,10\n"

DIALOGS = """<!doctype html><title>Dialogs</title><button onclick="ask()">Ask</button><p id="out"></p>
<script>function ask() { alert('Heads up'); const sure = confirm('Sure?'); const name = prompt('Name?', 'Ada');
out.textContent = sure + ' ' + name; }</script>"""

NOISY = """<!doctype html><title>Noisy</title><p>noisy</p><script>
console.error('something is off'); fetch('http://127.0.0.1:1/nothing').catch(() => 0); fetch('/broken');
setTimeout(() => { throw new Error('uncaught thing') });
</script>"""

LONG = """<!doctype html><title>Long</title><div style="height:5000px">top</div>
<button id="end" onclick="this.textContent='Reached'">End</button>"""
BOX = """<!doctype html><title>Box</title><body style="overflow:hidden;height:100vh">
<button>Inside</button><div id="box" style="height:200px;overflow:auto"><button>First</button>
<div style="height:12000px">tall</div><p id="end" style="display:none">End of box</p></div>
<script>box.onscroll = () => {
  if (box.scrollTop + box.clientHeight >= box.scrollHeight - 2) end.style.display = 'block' }</script>
</body>"""

TABLE = """<!doctype html><title>Table</title>
<table id="claims"><thead><tr><th>Claim</th><th></th><th>Amount</th></tr></thead>
<tbody><tr><td>C-1</td><td>x</td><td> 10 </td></tr><tr><td>C-2</td><td>y</td><td>20</td></tr></tbody>
<tfoot><tr><td>Total</td><td></td><td>30</td></tr></tfoot></table>
<div role="table" id="grid"><div role="row"><span role="columnheader">Day</span>
<span role="columnheader">Slot</span></div>
<div role="row"><span role="cell">Mon</span><span role="cell">9:00</span></div></div>
<ul><li data-id="1">one</li><li data-id="2">two</li></ul>
<input id="field" value="typed"><input type="checkbox" id="box" checked>
<p id="price">Total: 1\u202f234 EUR</p><p class="blank"></p>"""

KEYS = """<!doctype html><title>Keys</title><input id="field" value="some text" autofocus><p id="out"></p>
<script>document.addEventListener('keydown', event => {
  if (event.key.length > 1 || event.ctrlKey) out.textContent += event.key + ' '; })</script>"""

UNSAVED = """<!doctype html><title>Unsaved</title><button onclick="out.textContent='changed'">Change</button>
<p id="out"></p><a href="/second">Leave</a>
<script>addEventListener('beforeunload', event => {
  event.preventDefault(); event.returnValue = 'really?'; })</script>"""

# What a failing step leaves behind: a form with a secret in it, a frame, a shadow tree, scripts, and noise.
TANGLED = """<!doctype html><html lang="en"><head><title>Tangled</title>
<style>h1 { color: rgb(1, 2, 3) } </style><link rel="stylesheet" href="/tangled.css">
<script>window.ran = 'by the page'</script><meta http-equiv="refresh" content="900"></head>
<body onload="console.log('loaded')"><h1>Tangled</h1>
<form><label>Pass phrase <input type="password" value="never shown at all"></label>
<label>Member <input id="member" value=""></label><input type="hidden" name="csrf" value="hidden-token">
<textarea aria-label="Notes">first</textarea><label><input type="checkbox" id="agree"> Agree</label>
<select aria-label="Plan"><option>Basic</option><option>Plus</option></select></form>
<a href="javascript:alert(1)">Odd link</a><iframe src="/frame?of=tangled" title="Inner"></iframe><x-card></x-card>
<button onclick="console.warn('pressed, on ' + member.value); fetch('/broken?of=' + encodeURIComponent(member.value))">
Send form</button>
<script>customElements.define('x-card', class extends HTMLElement { connectedCallback() {
  this.attachShadow({mode: 'open'}).innerHTML = '<p>In the <b>shadow</b></p>'; }})</script></body></html>"""
TANGLED_STYLES = b"h1 { letter-spacing: 3px }"

# Whoever acts here waits for its answer longer than one try takes.
BUSY = """<!doctype html><title>Busy</title>
<button onclick="send()">Send</button>
<form onsubmit="send(); return false"><input aria-label="Name"></form>
<output id="out"></output>
<script>
  let count = 0;
  function send() {
    out.textContent = `sent ${++count}`;
    const end = performance.now() + 1500;
    while (performance.now() < end);
  }
</script>"""

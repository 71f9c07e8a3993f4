"""Pages with what is pointed at: named elements, bare places, sliders, drop-downs, things to drag, captchas."""

KEYWORDS = """<!doctype html><title>Keywords</title><p id="out">nothing</p>
<p>Save is a word in this sentence</p>
<button onclick="out.textContent='saved'"><span>Save</span></button>
<label>Member <input id="member" oninput="out.textContent=this.value"></label>
<input id="seek" placeholder="Find a patient" oninput="out.textContent='seek '+this.value">
<div title="Open help" onclick="out.textContent='help'">?</div>
<img alt="Clinic logo" width="20" height="20" src="data:image/gif;base64,R0lGODlhAQABAAAAACw="
  onclick="out.textContent='logo'">
<div onclick="out.textContent='plain'">Plain words</div>
<button onclick="out.textContent='archived'">Archive the record</button>
<button>Twin</button><button>Twin</button>
<button style="display:none" onclick="out.textContent='hidden'">Ghost</button>
<button onclick="out.textContent='ghost'">Ghost</button>
<label>Plan <select id="plan" onchange="out.textContent=this.value"><option>A</option><option>B</option></select>
</label>
<label><input type="checkbox" id="agree"> Agree</label>
<script>setTimeout(() => { const b = document.createElement('button'); b.textContent = 'Late one';
  b.onclick = () => out.textContent = 'late'; document.body.append(b); }, 400)</script>"""

POINTS = """<!doctype html><title>Points</title><style>body{margin:0} body>*{position:absolute}</style>
<div id="pad" style="left:0;top:0;width:200px;height:100px;background:#ddd"
  onclick="out.textContent='click '+event.clientX+','+event.clientY"
  ondblclick="out.textContent='double'" oncontextmenu="out.textContent='right'; return false"
  onmousemove="moves.textContent=event.clientX+','+event.clientY">pad</div>
<input id="field" style="left:0;top:120px;width:200px;height:30px;box-sizing:border-box" value="old">
<label style="left:0;top:170px;width:200px;height:30px"><input type="checkbox" id="agree"> Agree</label>
<select id="plan" style="left:0;top:220px;width:200px;height:30px"><option>A</option><option>B</option></select>
<x-field style="left:0;top:270px;display:block;width:200px;height:30px"></x-field>
<input type="file" id="card" style="left:0;top:320px;width:200px;height:30px"
  onchange="out.textContent='file '+this.files[0].name">
<div id="drop" style="left:300px;top:0;width:100px;height:100px;background:#cde"
  onmouseup="out.textContent='dropped '+moved">drop</div>
<p id="out" style="left:0;top:500px">nothing</p><p id="moves" style="left:0;top:550px">still</p>
<p id="keys" style="left:0;top:600px"></p>
<script>let moved = 0; addEventListener('mousemove', event => { if (event.buttons) moved++; });
addEventListener('keydown', event => keys.textContent += event.key + ' ');
customElements.define('x-field', class extends HTMLElement { connectedCallback() {
  const root = this.attachShadow({mode: 'open'});
  root.innerHTML = '<div><input style="width:200px;height:30px;box-sizing:border-box"></div>'; }
  get text() { return this.shadowRoot.querySelector('input').value } })</script>"""

SLIDERS = """<!doctype html><title>Sliders</title><p id="out">nothing</p>
<label>Volume <input type="range" min="0" max="100" value="10" onchange="out.textContent='volume '+this.value"></label>
<div role="slider" id="even" aria-label="Even" tabindex="0" aria-valuenow="3" aria-valuemin="0"
  aria-valuemax="20">o</div>
<div role="slider" id="tens" aria-label="Tens" tabindex="0" aria-valuenow="30" data-step="10" aria-valuemin="0"
  aria-valuemax="100">o</div>
<div role="slider" id="turned" aria-label="Turned" tabindex="0" aria-valuenow="5" data-step="-1" aria-valuemin="0"
  aria-valuemax="20">o</div>
<div role="slider" id="slow" aria-label="Slow" tabindex="0" aria-valuenow="5" data-later="60" aria-valuemin="0"
  aria-valuemax="20">o</div>
<div role="slider" id="stuck" aria-label="Stuck" tabindex="0" aria-valuenow="5">o</div>
<div id="none" aria-label="None" tabindex="0">o</div>
<script>for (const slider of document.querySelectorAll('[aria-valuemax]')) slider.onkeydown = event => {
  const way = {ArrowRight: 1, ArrowLeft: -1}[event.key]; if (!way) return;
  const next = +slider.getAttribute('aria-valuenow') + way * (slider.dataset.step || 1);
  const set = () => slider.setAttribute('aria-valuenow',
    Math.min(slider.getAttribute('aria-valuemax'), Math.max(slider.getAttribute('aria-valuemin'), next)));
  if (slider.dataset.later) setTimeout(set, slider.dataset.later); else set(); }</script>"""

# One list of each kind that component libraries make. `?late` and so on change how they behave.
DROPDOWNS = """<!doctype html><title>Drop-downs</title><style>.covered{position:relative}
.covered span{position:absolute;inset:0}[role=option][aria-selected=true]{background:#cde}</style><p id="out"></p>
<div role="combobox" tabindex="0" aria-label="Plan" aria-expanded="false" id="plan" data-list="plans">Choose</div>
<button aria-haspopup="listbox" aria-label="Color" id="color" data-list="colors">Choose</button>
<input role="combobox" aria-label="City" aria-expanded="false" aria-controls="cities" id="city">
<div class="covered"><input role="combobox" aria-label="Covered" id="covered" data-list="plans"><span></span></div>
<ul role="listbox" aria-label="Sizes" id="sizes"><li role="option" aria-selected="false">Small</li>
<li role="option" aria-selected="true">Large</li></ul>
<ul role="listbox" aria-label="Days" aria-multiselectable="true" id="days">
<li role="option" aria-selected="true">Monday</li><li role="option" aria-selected="false">Tuesday</li>
<li role="option" aria-selected="false" aria-disabled="true">Wednesday</li>
<li role="option" aria-selected="false">Friday</li></ul>
<ul role="listbox" aria-label="Deaf" id="deaf"><li role="option" aria-selected="false">One</li>
<li role="option" aria-selected="false">Two</li></ul>
<div role="combobox" tabindex="0" aria-label="Empty" id="empty">Choose</div><button id="outside">Outside</button>
<div role="combobox" tabindex="0" aria-label="Tags" aria-expanded="false" id="tags" data-list="tags-list"
  data-several="1">Choose</div>
<script>
const lists = {plans: [['hmo', 'HMO Basic'], ['ppo', 'PPO Plus'], ['epo', 'EPO']],
  colors: [['', 'Red'], ['', 'Green']], 'tags-list': [['a', 'Alpha'], ['b', 'Beta'], ['c', 'Gamma']]};
function show(box, options, several) {
  document.querySelector('.popup')?.remove();
  const list = document.createElement('ul'); list.className = 'popup'; list.setAttribute('role', 'listbox');
  list.id = box.dataset.list || 'cities';
  list.setAttribute('aria-label', box.getAttribute('aria-label'));
  if (several) list.setAttribute('aria-multiselectable', 'true');
  for (const [value, label] of options) {
    const item = document.createElement('li'); item.setAttribute('role', 'option'); item.textContent = label;
    item.setAttribute('aria-selected', String((box.chosen || []).includes(label)));
    if (value) item.dataset.value = value;
    item.onclick = () => {
      if (several) {
        box.chosen = (box.chosen || []).includes(label) ? box.chosen.filter(each => each !== label)
          : [...(box.chosen || []), label];
        item.setAttribute('aria-selected', String(box.chosen.includes(label)));
        out.textContent = box.id + ' ' + box.chosen.join('+');
      } else { out.textContent = box.id + ' ' + label; close(box); }
    };
    list.append(item);
  }
  document.body.append(list);
  box.setAttribute('aria-expanded', 'true'); box.setAttribute('aria-controls', list.id);
}
function close(box) { document.querySelector('.popup')?.remove(); box.setAttribute('aria-expanded', 'false'); }
for (const box of document.querySelectorAll('[data-list]')) {
  const open = () => {
    if (!location.search.includes('late')) return show(box, lists[box.dataset.list], box.dataset.several);
    show(box, [['', 'Loading…']]); setTimeout(() => show(box, lists[box.dataset.list], box.dataset.several), 500);
  };
  box.onclick = () => box.getAttribute('aria-expanded') === 'true' ? close(box) : open();
  box.onkeydown = event => { if (event.key === 'ArrowDown') open(); if (event.key === 'Escape') close(box); };
}
city.oninput = () => setTimeout(() => show(city, ['Berlin', 'Bern', 'Paris']
  .filter(name => name.toLowerCase().includes(city.value.toLowerCase())).map(name => ['', name])), 100);
for (const item of document.querySelectorAll('#sizes li, #days li')) item.onclick = () => {
  const list = item.parentElement, several = list.getAttribute('aria-multiselectable');
  if (item.getAttribute('aria-disabled')) return;
  if (!several) for (const other of list.children) other.setAttribute('aria-selected', 'false');
  item.setAttribute('aria-selected', String(!several || item.getAttribute('aria-selected') !== 'true'));
  out.textContent += item.textContent + ' ';
};
</script>"""

DRAGGING = """<!doctype html><title>Dragging</title><style>body{margin:0}
.box{width:120px;height:60px;margin:10px}</style>
<div id="ada" class="box" draggable="true" ondragstart="event.dataTransfer.setData('text', 'Ada')">Ada</div>
<div id="today" class="box" ondragover="event.preventDefault(); overs++"
  ondrop="event.preventDefault(); out.textContent='today '+event.dataTransfer.getData('text')">Today</div>
<div id="handle" class="box" onmousedown="held = true">Handle</div>
<div id="lane" class="box" onmousemove="if (held) seen++"
  onmouseup="out.textContent='lane '+(seen > 2); held = false">Lane</div>
<p id="out">nothing</p><p id="held"></p><button>Twin</button><button>Twin</button>
<div style="height:2000px"></div>
<div id="far" class="box" ondragover="event.preventDefault()"
  ondrop="event.preventDefault(); out.textContent='far '+event.dataTransfer.getData('text')">Far</div>
<script>let held = false, seen = 0, overs = 0; addEventListener('mouseup', () => held = false, true)</script>"""

CAPTCHA = """<!doctype html><title>Captcha</title><style>body{margin:0}</style><div style="height:1500px"></div>
<div id="box" style="width:200px;height:60px;background:#ddd">I am not a robot</div>
<div id="grid" style="display:none">pictures <button onclick="grid.remove()">Solve</button></div><p id="out">nothing</p>
<script>box.onclick = event => {
  out.textContent = 'clicked ' + event.offsetX + ',' + event.offsetY;
  const kind = location.search.slice(1);
  if (kind) setTimeout(() => grid.style.display = 'block', 100);
  if (kind === 'flash') setTimeout(() => grid.remove(), 300);
}</script>"""

CLIPBOARD = """<!doctype html><title>Clipboard</title><input id="field"><button onclick="copyIt()">Copy</button>
<script>function copyIt() { const input = document.createElement('input'); input.value = 'secret';
  document.body.append(input); input.select(); document.execCommand('copy'); input.remove(); }</script>"""

PAGES = {
    "/clipboard": CLIPBOARD,
    "/keywords": KEYWORDS,
    "/points": POINTS,
    "/sliders": SLIDERS,
    "/dropdowns": DROPDOWNS,
    "/dragging": DRAGGING,
    "/captcha": CAPTCHA,
}

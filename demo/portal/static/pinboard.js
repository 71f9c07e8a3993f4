// A widget of its own, in an open shadow root. Notes are dragged onto the list of what is done; a drawn slider, which
// listens to its arrow keys, says how large they are.
const sheet = new CSSStyleSheet();
sheet.replaceSync(`
  :host { display: block; font: inherit; color: #33474d; }
  form { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; }
  .field { display: grid; gap: 5px; flex: 1 1 240px; }
  label { color: #14272b; font-size: 13px; font-weight: 600; }
  input, select { min-height: 40px; padding: 8px 12px; border: 1px solid #b9c8ca; border-radius: 8px; background: #fff; color: #14272b; font: inherit; }
  input:focus, select:focus { border-color: #17695f; outline: 3px solid rgb(23 105 95 / 16%); }
  button { min-height: 40px; padding: 0 15px; border: 1px solid #17695f; border-radius: 8px; background: #17695f; color: #fff; font: inherit; font-weight: 550; cursor: pointer; }
  ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(210px, 1fr)); gap: 14px; margin: 20px 0 0; padding: 0; list-style: none; }
  li { display: flex; flex-direction: column; gap: 12px; padding: 14px; border-radius: 10px; background: #fdf3d9; color: #4b3a10; }
  li.Urgent { background: #fce5e4; color: #6d1d21; }
  li button { align-self: flex-start; min-height: 28px; padding: 0 9px; border-color: currentcolor; background: none; color: inherit; font-size: 12.5px; }
  p { margin: 20px 0 0; color: #5a6e75; }
  h2 { margin: 24px 0 0; color: #14272b; font-size: 14px; }
  ul.done { min-height: 64px; padding: 12px; border: 1px dashed #b9c8ca; border-radius: 10px; }
  ul.done.is-over { border-color: #17695f; background: #eaf4f2; }
  ul.done li { opacity: 0.7; text-decoration: line-through; }
  .size { display: flex; gap: 12px; align-items: center; margin-top: 20px; font-size: 13px; }
  .track { position: relative; width: 180px; height: 6px; border-radius: 3px; background: #d5e0e1; }
  .thumb { position: absolute; top: -6px; width: 18px; height: 18px; margin-left: -9px; border-radius: 9px; background: #17695f; }
`);

class Pinboard extends HTMLElement {
  connectedCallback() {
    const root = this.attachShadow({ mode: "open" });
    root.adoptedStyleSheets = [sheet];
    root.innerHTML = `
      <form>
        <div class="field"><label for="note">Note text</label><input id="note" name="note" required maxlength="120"></div>
        <div class="field"><label for="kind">Kind</label><select id="kind" name="kind"><option>Reminder</option><option>Urgent</option></select></div>
        <button type="submit">Pin note</button>
      </form>
      <p role="status">No notes are pinned.</p>
      <ul class="pinned" aria-label="Pinned"></ul>
      <h2>Done</h2>
      <ul class="done" aria-label="Done"></ul>
      <div class="size"><span id="size">Note size</span><div class="track"><div class="thumb" role="slider" tabindex="0"
        aria-labelledby="size" aria-valuemin="80" aria-valuemax="160" aria-valuenow="100"></div></div><span class="percent"></span></div>`;
    this.takeDrops(root.querySelector(".done"));
    this.listenToKeys(root.querySelector(".thumb"));
    root.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.pin(new FormData(event.target));
      event.target.reset();
    });
  }

  takeDrops(done) {
    done.addEventListener("dragover", (event) => {
      event.preventDefault();
      done.classList.add("is-over");
    });
    done.addEventListener("dragleave", () => done.classList.remove("is-over"));
    done.addEventListener("drop", (event) => {
      event.preventDefault();
      done.classList.remove("is-over");
      done.append(this.dragged);
      this.count();
    });
  }

  listenToKeys(thumb) {
    this.slide(thumb, 100);
    thumb.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 10, ArrowUp: 10, ArrowLeft: -10, ArrowDown: -10 }[event.key];
      if (step) {
        event.preventDefault();
        this.slide(thumb, Number(thumb.getAttribute("aria-valuenow")) + step);
      }
    });
  }

  slide(thumb, percent) {
    const size = Math.min(160, Math.max(80, percent));
    thumb.setAttribute("aria-valuenow", size);
    thumb.style.left = `${((size - 80) / 80) * 100}%`;
    this.shadowRoot.querySelector(".percent").textContent = `${size} %`;
    this.shadowRoot.querySelector(".pinned").style.fontSize = `${size}%`;
  }

  pin(data) {
    const item = document.createElement("li");
    item.draggable = true;
    item.addEventListener("dragstart", (event) => {
      this.dragged = item;
      event.dataTransfer.effectAllowed = "move";
    });
    item.className = data.get("kind");
    const text = document.createElement("span");
    text.textContent = data.get("note");
    const unpin = document.createElement("button");
    unpin.type = "button";
    unpin.textContent = "Unpin";
    unpin.addEventListener("click", () => {
      item.remove();
      this.count();
    });
    item.append(text, unpin);
    this.shadowRoot.querySelector(".pinned").append(item);
    this.count();
  }

  count() {
    const pinned = this.shadowRoot.querySelectorAll(".pinned li").length;
    const text = pinned === 0 ? "No notes are pinned." : pinned === 1 ? "1 note is pinned." : `${pinned} notes are pinned.`;
    this.shadowRoot.querySelector("[role=status]").textContent = text;
  }
}

customElements.define("nw-pinboard", Pinboard);

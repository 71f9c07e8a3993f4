// A widget of its own, in an open shadow root.
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
      <ul aria-label="Pinned"></ul>`;
    root.querySelector("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.pin(new FormData(event.target));
      event.target.reset();
    });
  }

  pin(data) {
    const item = document.createElement("li");
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
    this.shadowRoot.querySelector("ul").append(item);
    this.count();
  }

  count() {
    const pinned = this.shadowRoot.querySelectorAll("li").length;
    const text = pinned === 0 ? "No notes are pinned." : pinned === 1 ? "1 note is pinned." : `${pinned} notes are pinned.`;
    this.shadowRoot.querySelector("[role=status]").textContent = text;
  }
}

customElements.define("nw-pinboard", Pinboard);

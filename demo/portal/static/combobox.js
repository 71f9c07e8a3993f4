// The editable combobox with a listbox of the ARIA Authoring Practices: filters while typing, arrow keys and
// Enter choose, Escape and leaving go back to the last choice.
document.querySelectorAll("[data-combobox]").forEach((box) => {
  const input = box.querySelector("[role=combobox]");
  const popup = box.querySelector(".listbox");
  const nothing = box.querySelector(".no-option");
  const options = [...box.querySelectorAll("[role=option]")];
  let chosen = input.value;
  let active = null;

  const visible = () => options.filter((option) => !option.hidden);

  const activate = (option) => {
    active?.classList.remove("is-active");
    active = option;
    if (option) {
      option.classList.add("is-active");
      option.scrollIntoView({ block: "nearest" });
      input.setAttribute("aria-activedescendant", option.id);
    } else {
      input.removeAttribute("aria-activedescendant");
    }
  };

  const open = (isOpen) => {
    popup.hidden = !isOpen;
    input.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) {
      activate(null);
    }
  };

  const filter = (text) => {
    const wanted = text.trim().toLowerCase();
    options.forEach((option) => {
      option.hidden = !option.textContent.toLowerCase().includes(wanted);
    });
    nothing.hidden = visible().length > 0;
    activate(null);
  };

  const choose = (option) => {
    chosen = option.dataset.value;
    input.value = chosen;
    options.forEach((other) => other.setAttribute("aria-selected", String(other === option)));
    open(false);
  };

  input.addEventListener("input", () => {
    filter(input.value);
    open(true);
  });
  input.addEventListener("click", () => {
    filter("");
    open(true);
  });
  input.addEventListener("blur", () => {
    input.value = chosen;
    open(false);
  });
  input.addEventListener("keydown", (event) => {
    const shown = visible();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      open(true);
      const step = event.key === "ArrowDown" ? 1 : -1;
      const next = active ? shown.indexOf(active) + step : step > 0 ? 0 : shown.length - 1;
      activate(shown[(next + shown.length) % shown.length] ?? null);
    } else if (event.key === "Enter" && active) {
      event.preventDefault();
      choose(active);
    } else if (event.key === "Escape") {
      input.value = chosen;
      open(false);
    }
  });
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // keep the focus in the field
  popup.addEventListener("click", (event) => {
    const option = event.target.closest("[role=option]");
    if (option) {
      choose(option);
    }
  });
});

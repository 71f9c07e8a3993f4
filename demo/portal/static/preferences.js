// Unsaved changes hold the visitor back with the browser's own question.
const form = document.getElementById("preferences");
const hint = document.getElementById("dirty-hint");
let isDirty = false;

form.addEventListener("change", () => {
  isDirty = true;
  hint.textContent = "Not saved yet";
});
form.addEventListener("submit", () => {
  isDirty = false;
});
addEventListener("beforeunload", (event) => {
  if (isDirty) {
    event.preventDefault();
  }
});

// This box has no label element: its surroundings work the input by script, as some component libraries do.
document.querySelectorAll("[data-toggle]").forEach((box) => {
  const input = box.querySelector("input");
  box.addEventListener("click", (event) => {
    if (event.target !== input) {
      input.click();
    }
  });
});

// Things come late on purpose: a banner pushes the page down, the button slides in, and then it is enabled.
const button = document.getElementById("take-next");
const actions = document.getElementById("next-actions");
const state = document.getElementById("next-state");
const hint = document.getElementById("next-hint");
const taken = document.getElementById("taken");
const queue = document.getElementById("referral-queue");

setTimeout(() => document.getElementById("queue-banner").classList.add("is-open"), 500);
setTimeout(() => actions.classList.remove("is-away"), 700);
setTimeout(() => {
  button.disabled = false;
  state.textContent = "Ready";
  state.dataset.tone = "Active";
  hint.textContent = "Complete";
}, 1500);

button.addEventListener("click", () => {
  const first = queue.firstElementChild;
  if (!first) {
    return;
  }
  first.remove();
  taken.textContent = `You took the referral of ${first.dataset.name}.`;
  taken.hidden = false;
  button.disabled = queue.childElementCount === 0;
});

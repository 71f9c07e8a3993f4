// Native dialogs: alert, prompt and confirm. Nothing is sent; the page shows what was answered.
const remark = document.getElementById("day-remark");

const say = (text) => {
  remark.textContent = text;
  remark.hidden = false;
};

document.getElementById("page-desk").addEventListener("click", () => {
  alert("The front desk has been paged.");
  say("Front desk paged.");
});

document.getElementById("add-remark").addEventListener("click", () => {
  const text = prompt("Note for today", "Flu clinic until noon");
  if (text !== null) {
    say(`Day note: ${text}`);
  }
});

document.querySelectorAll("[data-cancel]").forEach((button) => {
  button.addEventListener("click", () => {
    const row = button.closest("tr");
    if (!confirm(`Cancel the appointment of ${row.dataset.patient} at ${row.dataset.time}?`)) {
      return;
    }
    const badge = row.querySelector(".badge");
    badge.textContent = "Cancelled";
    badge.dataset.tone = "Cancelled";
    button.remove();
    say(`Cancelled: ${row.dataset.patient} at ${row.dataset.time}`);
  });
});

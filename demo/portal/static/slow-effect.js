// Keeps the visitor waiting in the page: the server has no part in it.
const form = document.getElementById("slow-form");
const button = document.getElementById("record");
const left = document.getElementById("slow-left");
const meter = document.getElementById("slow-meter");
const totalMs = Number(form.dataset.seconds) * 1000;
const startedAt = performance.now();

const tick = () => {
  const remainingMs = totalMs - (performance.now() - startedAt);
  if (remainingMs <= 0) {
    clearInterval(timer);
    left.textContent = "Ready";
    meter.style.width = "100%";
    button.disabled = false;
    return;
  }
  left.textContent = `Ready in ${Math.ceil(remainingMs / 1000)} s`;
  meter.style.width = `${100 - (100 * remainingMs) / totalMs}%`;
};

const timer = setInterval(tick, 100);
tick();

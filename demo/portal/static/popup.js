// A moment later, so that the click itself ends before its window does.
document.getElementById("close-card").addEventListener("click", () => setTimeout(() => window.close(), 150));

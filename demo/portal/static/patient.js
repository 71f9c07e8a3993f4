const button = document.getElementById("coverage-card");
button.addEventListener("click", () => {
  window.open(button.dataset.url, "coverage-card", "popup,width=460,height=520");
});

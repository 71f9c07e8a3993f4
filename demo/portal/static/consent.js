// The overlay goes away when the visitor chooses; the choice lasts as long as the browser's session.
document.querySelectorAll("#consent-overlay [data-consent]").forEach((button) => {
  button.addEventListener("click", () => {
    document.cookie = `northwind_consent=${button.dataset.consent}; path=/; SameSite=Lax`;
    document.getElementById("consent-overlay").hidden = true;
  });
});

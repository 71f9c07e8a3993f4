// The rows come after the page, and a new search or page replaces them without a new document.
const results = document.getElementById("results");
const form = document.getElementById("register-search");
const spinner = results.innerHTML;
let newest = 0;

const show = async (query) => {
  const mine = ++newest;
  results.setAttribute("aria-busy", "true");
  results.innerHTML = spinner;
  const response = await fetch(`/patients/results?${query}`);
  const rows = await response.text();
  if (mine !== newest) {
    return; // a later search has overtaken this one
  }
  results.innerHTML = rows;
  results.setAttribute("aria-busy", "false");
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const query = new URLSearchParams(new FormData(form)).toString();
  history.pushState(null, "", `/patients?${query}`);
  show(query);
});

results.addEventListener("click", (event) => {
  const link = event.target.closest(".pagination a");
  if (!link) {
    return;
  }
  event.preventDefault();
  history.pushState(null, "", link.href);
  show(new URL(link.href).searchParams.toString());
});

addEventListener("popstate", () => {
  const query = new URLSearchParams(location.search);
  form.elements.q.value = query.get("q") ?? "";
  form.elements.status.value = query.get("status") ?? "";
  show(query.toString());
});

const query = new URLSearchParams(location.search);
query.set("page", results.dataset.page);
show(query.toString());

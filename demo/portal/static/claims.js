// Rows load as the end of the list comes near; the count tells how many are there.
const table = document.getElementById("claims");
const body = table.tBodies[0];
const more = document.getElementById("claims-more");
const count = document.getElementById("claim-count");
const total = Number(count.dataset.total);
let loading = false;

const loadMore = async () => {
  if (loading || body.rows.length >= total) {
    return;
  }
  loading = true;
  const query = new URLSearchParams({ offset: body.rows.length, status: table.dataset.status });
  const response = await fetch(`/claims/rows?${query}`);
  body.insertAdjacentHTML("beforeend", await response.text());
  count.textContent = `${body.rows.length} of ${total} claims shown`;
  more.hidden = body.rows.length >= total;
  loading = false;
  // The observer reports changes only: start again, in case the end is still in sight.
  observer.unobserve(more);
  observer.observe(more);
};

const observer = new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) {
    loadMore();
  }
});
observer.observe(more);

document.getElementById("copy-count").addEventListener("click", () => {
  count.textContent = `${body.rows.length} rows counted`;
});

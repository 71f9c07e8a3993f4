// The page of the API: the description that this server itself serves, and nothing from elsewhere.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
follow();
dark.addEventListener("change", follow);

SwaggerUIBundle({
  url: "/api/schema",
  dom_id: "#api",
  deepLinking: true,
  displayRequestDuration: true,
  filter: true,
  defaultModelsExpandDepth: 0,
  // A key stays in this tab and is gone with it.
  persistAuthorization: false,
  // Neither a validator of somebody else, nor settings from the address of the page.
  validatorUrl: null,
  queryConfigEnabled: false,
});

// The page of the API: the description that this server itself serves, and nothing from elsewhere.
"use strict";

const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
follow();
dark.addEventListener("change", follow);

// The schema of automations refers to itself all over; the page would unfold it for minutes. It is named instead.
const DOCUMENT = "/api/automation.schema.json";
const named = (_, value) =>
  value && value.$ref === DOCUMENT
    ? { type: "object", description: `The automation's document: its JSON Schema is at ${DOCUMENT}` }
    : value;

fetch("/api/schema")
  .then((response) => response.text())
  .then((text) =>
    SwaggerUIBundle({
      spec: JSON.parse(text, named),
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
    }),
  )
  .catch(() => {
    document.getElementById("api").textContent = "The description of the API could not be loaded: reload this page.";
  });

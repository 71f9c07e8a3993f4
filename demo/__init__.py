"""The bundled demo: a small clinic portal, and automations that work in it."""

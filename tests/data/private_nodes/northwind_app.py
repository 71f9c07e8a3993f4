"""The same as a Django app: `EXTRA_APPS=northwind_app.NorthwindConfig`."""

from typing import Any

from django.apps import AppConfig


async def greet(inputs: dict[str, Any], _context: object) -> str:
    return f"Hello {inputs['name']}"


class NorthwindConfig(AppConfig):
    name = "northwind_app"
    path = "."

    def ready(self) -> None:
        from executor.private_nodes import register

        register("northwind.greet", greet)

"""The language is read, never run: no evaluation in the package, and nothing imported that it must not know."""

import ast
import re
from pathlib import Path

import automation

PACKAGE = Path(automation.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))


def test_nothing_is_evaluated() -> None:
    found = [
        f"{source.relative_to(PACKAGE)}: {line.strip()}"
        for source in SOURCES
        for line in source.read_text(encoding="utf-8").splitlines()
        if re.search(r"\b(eval|exec|compile)\(", line.replace("re.compile(", ""))
    ]
    assert found == []


def test_only_pydantic_and_the_standard_library_are_imported() -> None:
    allowed = {"automation", "pydantic", "pydantic_core"}
    for source in SOURCES:
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            modules: list[str] = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for module in modules:
                top = module.partition(".")[0]
                assert top in allowed or top in __import__("sys").stdlib_module_names, f"{source}: {module}"


def test_the_public_face_is_what_it_says() -> None:
    assert sorted(automation.__all__) == sorted(set(automation.__all__))
    assert all(hasattr(automation, name) for name in automation.__all__)

from typing import Any

import pytest

from executor.extraction.bodies import body_value


@pytest.mark.parametrize(
    ("data", "content_type", "value"),
    [
        (b'{"a": [1, null]}', "application/json", {"a": [1, None]}),
        (b"[]", "text/plain", []),
        (b"plain", "text/plain", "plain"),
        (b"", "text/plain", ""),
        ("grün".encode(), "", "grün"),
        ("grün".encode("latin-1"), "text/html; charset=iso-8859-1", "grün"),
        ("grün".encode("latin-1"), "text/html", None),
        ("grün".encode("utf-16"), 'text/plain; charset="UTF-16"', "grün"),
        (b"plain", "text/plain; charset=none-such", "plain"),
        (b"plain", "text/plain; charset=punycode", "plain"),
        (b"a\0b", "text/plain", "a\ufffdb"),
        (b'{"a": NaN}', "application/json", '{"a": NaN}'),
        (b'{"a": 1e999}', "application/json", '{"a": 1e999}'),
        (rb'"a\u0000"', "application/json", r'"a\u0000"'),
        (rb'"\ud800"', "application/json", r'"\ud800"'),
        (b"[" * 100_000, "application/json", "[" * 100_000),
        (b"[" * 200 + b"]" * 200, "application/json", "[" * 200 + "]" * 200),
        (b"1" * 5000, "application/json", "1" * 5000),
        (b"\xff\xfe\x00", "application/octet-stream", None),
    ],
)
def test_a_body_is_json_else_text_else_nothing(data: bytes, content_type: str, value: Any) -> None:
    assert body_value(data, content_type) == value

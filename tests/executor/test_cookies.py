import pytest

from executor.cookies import Cookie, CookieStore

HOST = "app.example.com"


@pytest.mark.parametrize(
    ("cookie", "url", "goes"),
    [
        (Cookie("a", "1", HOST), f"https://{HOST}/", True),
        (Cookie("a", "1", HOST), f"https://{HOST.upper()}:8443/x?y", True),
        (Cookie("a", "1", HOST), "https://sub.app.example.com/", False),
        (Cookie("a", "1", HOST), "https://example.com/", False),
        (Cookie("a", "1", ".example.com"), f"https://{HOST}/", True),
        (Cookie("a", "1", ".example.com"), "https://example.com/", True),
        (Cookie("a", "1", ".example.com"), "https://badexample.com/", False),
        (Cookie("a", "1", ".0.0.1"), "http://127.0.0.1/", False),
        (Cookie("a", "1", "[::1]"), "http://[::1]:8000/", True),
        (Cookie("a", "1", HOST, "/app"), f"https://{HOST}/app", True),
        (Cookie("a", "1", HOST, "/app"), f"https://{HOST}/app/deep", True),
        (Cookie("a", "1", HOST, "/app/"), f"https://{HOST}/app/deep", True),
        (Cookie("a", "1", HOST, "/app"), f"https://{HOST}/application", False),
        (Cookie("a", "1", HOST), f"https://{HOST}", True),
        (Cookie("a", "1", HOST, is_secure=True), f"http://{HOST}/", False),
        (Cookie("a", "1", HOST, is_secure=True), f"https://{HOST}/", True),
        (Cookie("a", "1", "localhost", is_secure=True), "http://localhost/", True),
        (Cookie("a", "1", "127.0.0.1", is_secure=True), "http://127.0.0.1/", True),
        (Cookie("a", "1", HOST, expires_at=1.0), f"https://{HOST}/", False),
        (Cookie("a", "1", HOST, expires_at=9e9), f"https://{HOST}/", True),
        (Cookie("a", "1", HOST, partition="https://example.com"), f"https://{HOST}/", True),
        (Cookie("a", "1", HOST, partition="https://other.example"), f"https://{HOST}/", False),
        (Cookie("a", "1", HOST, partition="nonsense"), f"https://{HOST}/", False),
    ],
)
def test_a_cookie_goes_where_a_browser_sends_it(cookie: Cookie, url: str, goes: bool) -> None:
    assert cookie.goes_to(url) is goes


def test_the_header_has_all_of_them_the_longest_path_first() -> None:
    store = CookieStore([Cookie("a", "1", HOST), Cookie("b", "2", HOST, "/app"), Cookie("", "bare", HOST)])

    assert store.header_for(f"https://{HOST}/app") == "b=2; a=1; bare"
    assert store.header_for("https://other.example/") is None


def test_what_an_answer_sets_goes_back_to_its_host_only() -> None:
    store = CookieStore([Cookie("old", "1", ".example.com"), Cookie("gone", "1", HOST), Cookie("late", "1", HOST)])
    store.take(
        f"https://{HOST}/a/b",
        [
            "old=2; Domain=example.com; Path=/; HttpOnly",
            "gone=; Max-Age=0",
            "late=x; expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "deep=3; path=/deep; Secure",
            "odd=4; Expires=whenever; Path=relative",
            "bare",
        ],
    )

    assert store.header_for(f"https://{HOST}/") == "old=2; odd=4; bare"
    assert store.header_for(f"https://{HOST}/deep") == "deep=3; old=2; odd=4; bare"
    assert store.header_for("https://example.com/") is None


def test_the_browsers_list_is_read() -> None:
    listed = {"name": "a", "value": "1", "domain": HOST, "path": "/", "secure": True, "expires": -1, "sameSite": "Lax"}

    assert CookieStore.of_browser([listed]).header_for(f"https://{HOST}/") == "a=1"
    partitioned = {**listed, "partitionKey": "https://other.example"}
    assert CookieStore.of_browser([partitioned]).header_for(f"https://{HOST}/") is None

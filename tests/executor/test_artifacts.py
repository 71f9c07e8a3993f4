import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.artifacts import MAX_NAME_CHARACTERS, FileNames, content_type_of, safe_filename


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("report.csv", "report.csv"),
        ("/etc/passwd", "_etc_passwd"),
        ("../../evil.sh", "_.._evil.sh"),
        ("C:\\temp\\a?.pdf", "C__temp_a_.pdf"),
        ("a \t b .pdf", "a _ b.pdf"),
        ("  .hidden.  ", "hidden"),
        ("...", "file"),
        ("", "file"),
        ("x\u202egnp.exe", "x_gnp.exe"),
        ("résumé 1.pdf", "résumé 1.pdf"),
    ],
)
def test_names_are_made_safe(given_name: str, name: str) -> None:
    assert safe_filename(given_name) == name


@given(st.text(max_size=400))
def test_no_name_leaves_its_folder(text: str) -> None:
    name = safe_filename(text)

    assert 0 < len(name) <= MAX_NAME_CHARACTERS
    assert not set(name) & set("/\\:*?\"'<>|#%&\x00\n")
    assert name not in (".", "..")
    assert not name.startswith(".")


def test_long_names_keep_their_extension() -> None:
    assert safe_filename("x" * 300 + ".pdf").endswith("x.pdf")
    assert len(safe_filename("x" * 300 + ".pdf")) == MAX_NAME_CHARACTERS


def test_equal_names_are_numbered_before_the_extension_whatever_their_case() -> None:
    names = FileNames()

    assert [names.take(each) for each in ("a.pdf", "A.pdf", "a.pdf", "b", "b")] == [
        "a.pdf",
        "A_2.pdf",
        "a_3.pdf",
        "b",
        "b_2",
    ]


def test_types_are_the_sites_unless_it_says_nothing() -> None:
    assert content_type_of("a.csv") == "text/csv"
    assert content_type_of("a.csv", given="application/octet-stream") == "text/csv"
    assert content_type_of("a.csv", given="Text/Plain; charset=utf-8") == "text/plain"
    assert content_type_of("unknown") == "application/octet-stream"

import os
import subprocess
import sys

import pytest

from optexity_site.browser_settings import (
    read_channel,
    read_check_page,
    read_locale,
    read_time_zone,
    read_viewport,
)


@pytest.mark.parametrize(
    ("item", "read"),
    [
        ("rdp=/opt/desk/browser", ("rdp", "/opt/desk/browser")),
        (" chrome = /usr/bin/google-chrome ", ("chrome", "/usr/bin/google-chrome")),
        ("browser-use=wss://host.example/x?token=a=b", ("browser-use", "wss://host.example/x?token=a=b")),
        ("cloakbrowser=http://127.0.0.1:9222", ("cloakbrowser", "http://127.0.0.1:9222")),
    ],
)
def test_a_channel_is_mapped_to_a_program_or_an_address(item: str, read: tuple[str, str]) -> None:
    assert read_channel(item) == read


@pytest.mark.parametrize("item", ["rdp", "rdp=", "=x", "firefox=/usr/bin/firefox", "rdp=bin/x", "rdp=ws://"])
def test_other_mappings_are_refused(item: str) -> None:
    with pytest.raises(ValueError, match=r"name=target|absolute path|no host"):
        read_channel(item)


@pytest.mark.parametrize("text", ["", "de", "de-DE", "zh-Hant-TW", "es-419"])
def test_a_locale_is_a_language_tag(text: str) -> None:
    assert read_locale(text) == text


@pytest.mark.parametrize("text", ["german", "de_DE", "de-", "-", "de-DE-x"])
def test_other_locales_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="de-DE"):
        read_locale(text)


def test_a_time_zone_is_known() -> None:
    assert read_time_zone("Europe/Berlin") == "Europe/Berlin"
    assert read_time_zone("") == ""
    with pytest.raises(ValueError, match="Europe/Berlin"):
        read_time_zone("Berlin")


def test_a_viewport_is_two_sizes_within_bounds() -> None:
    assert read_viewport("1280x800") == (1280, 800)
    assert read_viewport(" 1920 X 1080 ") == (1920, 1080)
    for text in ("1280", "1280x", "100x800", "1280x99999", "a x b", ""):
        with pytest.raises(ValueError, match="1280x800"):
            read_viewport(text)


def test_a_check_page_is_an_address() -> None:
    assert read_check_page("https://ip.example/json") == "https://ip.example/json"
    assert read_check_page("") == ""
    for text in ("ip.example", "ftp://ip.example/", "https://"):
        with pytest.raises(ValueError, match="http://"):
            read_check_page(text)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("BROWSER_VIEWPORT", "large", "1280x800"),
        ("BROWSER_TIMEZONE", "Berlin", "no such time zone"),
        ("BROWSER_CHANNELS", "rdp=somewhere", "absolute path"),
        ("BROWSER_PROXY", "ftp://me:not-told@proxy.example", "http://host:port"),
    ],
)
def test_a_wrong_setting_stops_the_start_by_name(name: str, value: str, told: str) -> None:
    environment = {**os.environ, name: value}
    done = subprocess.run(
        [sys.executable, "-c", "import optexity_site.settings"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert f"The setting {name} is wrong" in last
    assert told in last
    assert "not-told" not in last

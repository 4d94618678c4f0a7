"""Names of browsers by their User-Agent header."""

import pytest

from callevents.web.browser_names import name_browser

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X)"
ANDROID = "Mozilla/5.0 (Linux; Android 16; SM-S931B)"
WEBKIT = "AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{WEBKIT} Chrome/149.0.0.0"


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        (f"{WINDOWS} Gecko/20100101 Firefox/151.0", "Firefox on Windows"),
        (f"{WINDOWS} {CHROME} Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} {CHROME} Safari/537.36 Edg/149.0.0.0", "Edge on Windows"),
        (f"{WINDOWS} {CHROME} Safari/537.36 OPR/120.0.0.0", "Opera on Windows"),
        (f"{MAC} AppleWebKit/605.1.15 Version/19.1 Safari/605.1.15", "Safari on macOS"),
        (f"{IPHONE} AppleWebKit/605.1.15 Version/19 Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} AppleWebKit/605.1.15 CriOS/149.0 Safari/604.1", "Chrome on iPhone"),
        (f"{IPHONE} AppleWebKit/605.1.15 FxiOS/151.0 Mobile/15E148", "Firefox on iPhone"),
        (f"{ANDROID} {CHROME} Mobile Safari/537.36", "Chrome on Android"),
        (f"{ANDROID} SamsungBrowser/29.0 Chrome/136.0 Safari", "Samsung Internet on Android"),
        ("Mozilla/5.0 (X11; CrOS x86_64 16181.0.0) Chrome/149.0", "Chrome on ChromeOS"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Firefox/151.0", "Firefox on Linux"),
        ("curl/8.17.0", "curl"),
        ("python-requests/2.34.0", "Python"),
        ("", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
        ("\x1b[31m\u202eNetscape on \U0001f427 Linux" + "x" * 9000, "Unknown browser on Linux"),
    ],
)
def test_names(user_agent: str, name: str) -> None:
    """Common browsers and systems have their names; other text is not repeated."""
    assert name_browser(user_agent) == name

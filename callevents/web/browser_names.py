"""Names of browsers in the list of sessions."""

#: Part of the User-Agent header, and the name. The first match counts: many browsers also claim to
#: be Chrome, and all of those Safari.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
    ("curl/", "curl"),
    ("python-requests/", "Python"),
)
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def name_browser(user_agent: str) -> str:
    """Return a name such as 'Firefox on Windows'. Nothing of the header itself is in it."""
    browser = _find(user_agent, BROWSERS) or "Unknown browser"
    system = _find(user_agent, SYSTEMS)
    return f"{browser} on {system}" if system else browser


def _find(user_agent: str, names: tuple[tuple[str, str], ...]) -> str:
    return next((name for part, name in names if part in user_agent), "")

"""Security headers of every response, including the API's."""

import re
from urllib.parse import urlsplit

from flask import Flask, Response, request

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
COMMON_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
#: Hosts that a policy can name, which no IPv6 address is.
_HOST_SOURCE = re.compile(r"[A-Za-z0-9.-]+(?::[0-9]+)?")
ONE_YEAR_SECONDS = 365 * 24 * 3600
STRICT_TRANSPORT = ("Strict-Transport-Security", f"max-age={ONE_YEAR_SECONDS}")
_API_HEADERS = (*COMMON_HEADERS.items(), ("Cache-Control", "no-store"))


def init_app(app: Flask) -> None:
    """Add the headers to every response."""
    app.after_request(_add)


def api_headers(*, is_secure: bool) -> tuple[tuple[str, str], ...]:
    """Return the same headers for responses of the API that bypass Flask."""
    return (*_API_HEADERS, STRICT_TRANSPORT) if is_secure else _API_HEADERS


def policy_for_redirect(url: str) -> str:
    """Return the content security policy of a page whose form is answered with a redirect there.

    Chromium applies `form-action` to all redirects that follow. So the policy names the origin of
    the URL, and allows HTTPS, because apps redirect once more, often to another host of theirs.
    """
    scheme, host = urlsplit(url)[:2]
    if not _HOST_SOURCE.fullmatch(host):
        sources = f"{scheme}:"
    elif scheme == "http":
        # An app on the user's machine, where it may have several ports.
        sources = f"http://{host} http://localhost:* http://127.0.0.1:*"
    else:
        sources = f"{scheme}://{host}"
    return f"{CONTENT_SECURITY_POLICY} {sources} https:"


def _add(response: Response) -> Response:
    # A view may send a stricter value.
    for name, value in COMMON_HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.extend([STRICT_TRANSPORT])
    if request.endpoint == "static":
        _cache_static(response)
    elif "Cache-Control" not in response.headers:
        response.cache_control.no_store = True
    if response.mimetype == "text/html":
        response.vary.update(["HX-Request", "HX-Target", "Cookie"])
    return response


def _cache_static(response: Response) -> None:
    """Cache files for a year if their URL changes with their content."""
    if response.status_code in (200, 206, 304) and "v" in request.args:
        response.headers["Cache-Control"] = f"public, max-age={ONE_YEAR_SECONDS}, immutable"

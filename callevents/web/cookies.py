"""The names of cookies that must come from us."""

from flask import request


def cookie_name(name: str) -> str:
    """Return the cookie's name for this request: with the prefix `__Host-` over TLS.

    Browsers accept such a cookie only over TLS, for this host and all its paths. So neither another
    host of the same domain nor an attacker on plain HTTP can set it.
    """
    return f"__Host-{name}" if request.is_secure else name

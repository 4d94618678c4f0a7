"""The address of this server in lines to copy, in links, and for passkeys.

A browser sends the name that it was led to as the request's host. It goes into lines to copy only
if it is a name of this server; otherwise the lines have a placeholder.
"""

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from flask import current_app, has_request_context, request

from callevents.config.settings import Settings
from callevents.db.models import Pbx
from callevents.extensions import app_state

#: In place of a host that is not known to be ours.
PLACEHOLDER = "YOUR-SERVER"


def ingest_url(pbx: Pbx) -> str:
    """Return the URL at which the PBX reports."""
    return _url_for("ingest.receive", slug=pbx.slug)


def password_link_url(token: str) -> str:
    """Return the URL of the page on which the link with this token is used."""
    return _url_for("welcome.show", token=token)


def oauth_token_url() -> str:
    """Return the URL at which apps get their access tokens."""
    return _url_for("oauth_token.issue")


def _url_for(endpoint: str, **values: str) -> str:
    """Return the URL of a view; commands know the host only from the setting."""
    settings = app_state().settings
    path = current_app.url_map.bind("").build(endpoint, values)
    return f"{settings.public_url or _origin(settings)}{path}"


def find_kind(url: str) -> str:
    """Return 'placeholder' if the user has to fill in the host, 'loopback', or an empty text."""
    host = _host_name(urlsplit(url).netloc)
    if host == PLACEHOLDER.lower():
        return "placeholder"
    return "loopback" if host == "localhost" or _is_loopback(host) else ""


def _is_loopback(name: str) -> bool:
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _origin(settings: Settings) -> str:
    if not has_request_context():
        return f"http://{PLACEHOLDER}:{settings.port}"
    return find_own_origin() or f"{request.scheme}://{PLACEHOLDER}:{settings.port}"


def find_own_origin() -> str | None:
    """Return the request's scheme and host, None if the host is not known to be ours."""
    settings = app_state().settings
    if settings.trusted_proxies or _is_own_name(_host_name(request.host), settings):
        return request.host_url.rstrip("/")
    return None


def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_own_name(name: str, settings: Settings) -> bool:
    try:
        address = ip_address(name)
    except ValueError:
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        return name in {"localhost", machine, short, f"{short}.local", settings.host.lower()}
    if address.is_unspecified or address.is_multicast:
        return False
    return address.is_loopback or _is_own_address(name)


def _is_own_address(address: str) -> bool:
    """Return True if this machine has the IP address: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True

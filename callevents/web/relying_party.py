"""What passkeys are bound to: the host name of this server, as browsers see it."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from callevents.extensions import app_state
from callevents.users.second_factor.passkeys import RelyingParty
from callevents.web.public_url import find_own_origin

DEFAULT_PORTS = {"http": 80, "https": 443}


def find_relying_party() -> RelyingParty | None:
    """Return the relying party, None if browsers offer no passkeys for this address.

    They need a host name, which must be ours, and TLS or localhost.
    """
    parts = urlsplit(app_state().settings.public_url or find_own_origin() or "")
    name = parts.hostname or ""
    if not name or _is_address(name) or (parts.scheme != "https" and name != "localhost"):
        return None
    port = "" if parts.port in {None, DEFAULT_PORTS[parts.scheme]} else f":{parts.port}"
    return RelyingParty(name, f"{parts.scheme}://{name}{port}")


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True

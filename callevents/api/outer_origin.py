"""Scheme and host of this server, as an API client sees them."""

import re

from flask import request

from callevents.extensions import app_state

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]+")


def outer_origin() -> str:
    """Return the setting, else what the client has used; our own name if that is no host.

    A host that is not known to be ours is used too: the answer goes only to the one who sent it.
    """
    if public_url := app_state().settings.public_url:
        return public_url
    is_host = _HOST.fullmatch(request.host)
    own = f"{request.environ['SERVER_NAME']}:{request.environ['SERVER_PORT']}"
    return f"{request.scheme}://{request.host if is_host else own}"

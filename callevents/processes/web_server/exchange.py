"""A request, and how to respond to it."""

from collections.abc import Callable
from typing import NamedTuple

from callevents.processes.web_server.request import Request
from callevents.processes.web_server.response import Response

#: An IP address and a port.
Address = tuple[str, int]
#: Sends the response to one request.
Send = Callable[[Response], None]


class Exchange(NamedTuple):
    """A whole request of a client."""

    request: Request
    client: Address
    server: Address
    #: Called once, in the event loop, later than the application gets the request.
    send: Send


def to_address(name: object) -> Address:
    """Return address and port of a socket's name."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else ("", 0)

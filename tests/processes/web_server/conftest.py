"""A server with short time limits."""

from collections.abc import Iterator

import pytest

from tests.processes.web_server.echo import LIMITS, Echo
from tests.support.http_server import ServerThread


@pytest.fixture(scope="module")
def application() -> Echo:
    """The application that is served."""
    return Echo()


@pytest.fixture(scope="module")
def port(application: Echo) -> Iterator[int]:
    """The port of a server with short time limits."""
    server = ServerThread(application, LIMITS)
    yield server.port
    server.close()

"""An application on a socket, as the web server runs it."""

import socket
from typing import Any

import requests
from flask import Flask

from callevents.api.authentication import TokenCache
from callevents.extensions import app_state
from callevents.processes.web_server.application import Application
from tests.support.http_server import ServerThread

PATH = "/ingest/head-office"
HEAD = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Ingest-Token: "


class Served:
    """An application in the web server's event loop, on a free port."""

    def __init__(self, app: Flask, token: str) -> None:
        self._app = app
        self._application = Application(app)
        self._server = ServerThread(self._application, self._application.limits)
        self.port = self._server.port
        self.token = token

    def send(self, **options: Any) -> requests.Response:
        """Send a report, by default a POST with the token."""
        options = {"headers": {"X-Ingest-Token": self.token}, "method": "POST", **options}
        url = f"http://127.0.0.1:{self.port}{options.pop('path', PATH)}"
        return requests.request(**{"url": url, "timeout": 30, **options})

    def send_raw(self, rest: bytes) -> bytes:
        """Send a request head with the token, and then these bytes; return the response."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as client:
            client.sendall(HEAD.encode() + self.token.encode() + b"\r\n" + rest)
            client.shutdown(socket.SHUT_WR)
            return client.makefile("rb").read()

    def close(self) -> None:
        """Stop the server."""
        self._server.close()
        self._application.close()

    def stop_threads(self) -> None:
        """Stop the application's threads."""
        self._application.close()

    def cache_token(self) -> None:
        """Cache the token, as a first report does, so that the next one takes the fast path."""
        with self._app.app_context():
            app_state().get(TokenCache).refresh("head-office", self.token)


def described(answer: requests.Response) -> tuple[object, ...]:
    """Return what two responses to the same request must have in common."""
    assert len(answer.headers["X-Request-ID"]) == 32
    # Flask-Login reads a cookie in every request that Flask handles: hence Vary.
    left_out = {"x-request-id", "date", "connection", "vary"}
    headers = {n.lower(): v for n, v in answer.headers.items() if n.lower() not in left_out}
    return answer.status_code, answer.reason, headers, answer.content

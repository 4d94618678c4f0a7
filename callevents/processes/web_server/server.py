"""The web server: gunicorn processes with an event loop each, on a socket that we open."""

import errno
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any

import click
import uuid_utils
from flask import has_app_context
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from callevents.config import PREFIX
from callevents.config.settings import Settings
from callevents.errors import CallEventsError
from callevents.extensions import MakeApp, db
from callevents.processes.web_server.application import Application
from callevents.processes.web_server.connection_limits import MAX_CONNECTIONS

BACKLOG = 4096
#: Twice the connections: a long body needs a temporary file.
MAX_FILES = 2 * MAX_CONNECTIONS + 200
#: How long a stopping server waits for requests in progress.
GRACEFUL_SECONDS = 8
MEMORY_DIR = Path("/dev/shm")  # noqa: S108  # a mounted file system, and gunicorn's file is private


class ListenError(CallEventsError):
    """The web server cannot listen on the configured address."""


def open_socket(settings: Settings) -> socket.socket:
    """Return the web server's listening socket; raises ListenError."""
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = _resolve(host, port)
        listener = socket.socket(family, kind, protocol)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise ListenError(_sentence(error, host, port)) from None
    return listener


def url(settings: Settings) -> str:
    """Return the web server's URL on this machine."""
    return f"http://{_bracketed(local_host(settings))}:{settings.port}"


def local_host(settings: Settings) -> str:
    """Return the web server's host on this machine."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104  # compared only


def serve(settings: Settings, make_app: MakeApp) -> None:
    """Serve until a signal stops the server, then exit the process.

    A socket from systemd (LISTEN_FDS) is used instead of a new one.
    """
    if has_app_context():
        # Forked processes must not share this process's database connections.
        for engine in db.engines.values():
            engine.dispose()
    _raise_file_limit()
    bind = []
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        try:
            bind = [f"fd://{open_socket(settings).detach()}"]
        except ListenError as error:
            click.echo(str(error), err=True)
            sys.exit(1)
    _Server(settings, make_app, bind).run()


class _Server(BaseApplication):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn with our settings; each of its processes creates its own application."""

    def __init__(self, settings: Settings, make_app: MakeApp, bind: list[str]) -> None:
        self._settings = settings
        self._make_app = make_app
        self._bind = bind
        super().__init__()

    def load_config(self) -> None:
        for name, value in _options(self._settings, self._bind).items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return Application(self._make_app(self._settings))


def _options(settings: Settings, bind: list[str]) -> dict[str, object]:
    return {
        "bind": bind,
        "worker_class": "callevents.processes.web_server.worker.Worker",
        "workers": 1 if settings.uses_sqlite else settings.web_processes,
        "timeout": 60,
        # A little longer than the processes themselves wait.
        "graceful_timeout": GRACEFUL_SECONDS + 2,
        # On a busy disk the heartbeat could block, and gunicorn would kill the process.
        "worker_tmp_dir": str(MEMORY_DIR) if os.access(MEMORY_DIR, os.W_OK) else None,
        "post_fork": _post_fork,
        "logger_class": _GunicornLog,
        "loglevel": "debug" if settings.log_level == "DEBUG" else "warning",
        "control_socket_disable": True,
        # Gunicorn trusts no proxy; the application trusts those of CALLEVENTS_TRUSTED_PROXIES.
        "forwarded_allow_ips": "",
        "secure_scheme_headers": {},
        "forwarder_headers": "",
    }


def _raise_file_limit() -> None:
    """Raise the limit of open files: many systems give a process 1,024 unless it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(MAX_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _post_fork(_server: object, _worker: object) -> None:
    """Reseed the ID generator; otherwise all processes could create the same IDs."""
    uuid_utils.reseed_rng()


class _GunicornLog(Logger):  # type: ignore[misc]  # gunicorn has no types
    """Gunicorn's log lines, written to our log."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


def _resolve(host: str, port: int) -> tuple[int, int, int, str, Any]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # 'localhost' has an IPv4 and an IPv6 address; every client tries the IPv4 one.
    return min(found, key=lambda one: one[0] != socket.AF_INET)


def _sentence(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {port} on {host} is in use by another program. Set {PREFIX}PORT to another one."
        )
    if error.errno == errno.EACCES:
        return f"This user may not listen on port {port}. Set {PREFIX}PORT to one above 1023."
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is not an address of this machine. Set {PREFIX}HOST to one that is."
    return f"Listening on {_bracketed(host)}:{port} failed: {error.strerror}."


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

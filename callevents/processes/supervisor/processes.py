"""The processes on this machine: started in their order, watched, and stopped."""

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from functools import partial

import structlog
import uuid_utils
from flask import Flask

from callevents.config.settings import Settings
from callevents.errors import StartError
from callevents.extensions import MakeApp
from callevents.processes.listener import run
from callevents.processes.supervisor.child import Child
from callevents.processes.supervisor.signals import Signals
from callevents.processes.supervisor.valkey import make_valkey, wait_until_listening
from callevents.processes.web_server import server
from callevents.processes.worker import run as worker_run

#: Where systemd puts the socket that it hands over.
FIRST_LISTENER = 3
#: How long everything together may take to get ready.
READY_SECONDS = 60.0
ANSWER_SECONDS = 5.0
ASK_SECONDS = 0.2
#: What /readyz says while a Redis of its own is away. Without it everything works, if a little
#: later, so it is waited for this long only.
ONLY_REDIS_AWAY = "database ok, redis does not answer"
WAIT_SECONDS = 5.0
#: Beyond what a process itself takes to stop, before it is ended.
PATIENCE_SECONDS = 3.0
#: Signals tell when a process ends; this is how often to look all the same.
LOOK_SECONDS = 5.0


log = structlog.get_logger("callevents.supervisor")


class Processes:
    """Valkey, the web server, the workers and the listeners."""

    def __init__(
        self,
        settings: Settings,
        make_app: MakeApp,
        web_socket: socket.socket,
        signals: Signals,
    ) -> None:
        self._settings = settings
        self._make_app = make_app
        self._web_socket = web_socket
        self._signals = signals
        self._valkey = [make_valkey(settings)] if settings.embeds_valkey else []
        self._own = [Child("web", partial(_serve, settings, make_app, web_socket))]
        for number in range(1, settings.workers + 1):
            self._add(f"worker {number}", worker_run.run)
        for number in range(1, settings.listeners + 1):
            self._add(f"listener {number}", run.run)

    def _add(self, name: str, program: Callable[[Flask], int]) -> None:
        make = partial(self._make_app, self._settings)
        become = partial(_run, program, make, self._web_socket)
        self._own.append(Child(name, become))

    def start(self) -> None:
        """Start them all; raises StartError if Valkey does not come up."""
        for valkey in self._valkey:
            valkey.start()
            wait_until_listening(valkey, self._settings)
        for child in self._own:
            child.start()

    def wait_until_ready(self) -> bool:
        """Return whether /readyz says so, or False if a signal came before.

        Raises StartError if a process ends meanwhile, or it takes too long.
        """
        began = time.monotonic()
        deadline = began + READY_SECONDS
        while not self._signals.stop:
            self._refuse_ended()
            state = self._ask_readyz()
            if state is None:
                return True
            if state == ONLY_REDIS_AWAY and time.monotonic() > began + WAIT_SECONDS:
                log.warning("Redis does not answer; events are accepted and delivered without it")
                return True
            if time.monotonic() > deadline:
                raise StartError(f"Call Events did not get ready in {READY_SECONDS:.0f} s: {state}")
            self._signals.wait(ASK_SECONDS)
        return False

    def look_after(self) -> None:
        """Start again what ends by itself, until a signal says to stop."""
        while not self._signals.stop:
            pauses = [child.look_after() for child in (*self._valkey, *self._own)]
            self._signals.wait(min(LOOK_SECONDS, *pauses))

    def stop(self) -> None:
        """Stop them: asked first, ended after their time; Valkey last, for the others to finish."""
        own_seconds = max(server.GRACEFUL_SECONDS, self._settings.shutdown_seconds)
        self._end(self._own, own_seconds + PATIENCE_SECONDS)
        self._end(self._valkey, PATIENCE_SECONDS)

    def _ask_readyz(self) -> str | None:
        """Return None if everything is ready, else what is not; a signal ends the wait."""
        host = server.local_host(self._settings)
        connection = http.client.HTTPConnection(host, self._settings.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/readyz")
            if not self._signals.wait(ANSWER_SECONDS, connection.sock):
                return "the web server does not answer"
            answer = connection.getresponse()
            return None if answer.status == http.HTTPStatus.OK else _unready(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"the web server does not answer ({error})"
        finally:
            connection.close()

    def _refuse_ended(self) -> None:
        for child in (*self._valkey, *self._own):
            if child.exit_code is not None:
                raise StartError(
                    f"The process '{child.name}' ended while it started (exit code "
                    f"{child.exit_code}). What it said is above."
                )

    def _end(self, children: list[Child], seconds: float) -> None:
        for child in children:
            child.terminate()
        deadline = time.monotonic() + seconds
        while any(child.pid for child in children) and not self._signals.stop_at_once:
            if (rest := deadline - time.monotonic()) <= 0:
                break
            self._signals.wait(min(rest, 0.5))
        for child in children:
            child.kill()


def _serve(settings: Settings, make_app: MakeApp, web_socket: socket.socket) -> None:
    """Be the web server, on the socket, which is handed over as systemd does it."""
    os.dup2(web_socket.fileno(), FIRST_LISTENER)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    server.serve(settings, make_app)


def _run(
    program: Callable[[Flask], int], make: Callable[[], Flask], web_socket: socket.socket
) -> None:
    """Be this program, which takes the application and returns its exit code."""
    web_socket.close()
    # Without it, processes could make the same ids.
    uuid_utils.reseed_rng()
    sys.exit(program(make()))


def _unready(answer: bytes) -> str:
    states = json.loads(answer)
    return ", ".join(f"{name} {state}" for name, state in states.items() if name != "status")

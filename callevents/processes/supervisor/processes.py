"""Starts, supervises and stops the processes on this machine."""

import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
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

#: File descriptor of the first socket that systemd passes.
SYSTEMD_FIRST_FD = 3
READY_POLL_SECONDS = 0.2
#: Response of /readyz while an external Redis is down. Everything works without it, with a little
#: delay, so the start waits for it only REDIS_WAIT_SECONDS.
ONLY_REDIS_DOWN = "database ok, redis does not answer"
REDIS_WAIT_SECONDS = 5.0
#: Interval of checks in addition to SIGCHLD.
RESTART_POLL_SECONDS = 5.0

log = structlog.get_logger("callevents.supervisor")


@dataclass(frozen=True)
class Timeouts:
    """How long the processes may take."""

    #: All processes together, to get ready.
    ready_seconds: float = 60.0
    #: A response of the web server while it starts.
    response_seconds: float = 5.0
    #: The web server, to finish its requests.
    web_stop_seconds: float = server.GRACEFUL_SECONDS
    #: Additional time before a process that does not stop is killed.
    stop_grace_seconds: float = 3.0


DEFAULT_TIMEOUTS = Timeouts()


class Processes:
    """Valkey, the web server, the workers and the listeners."""

    def __init__(
        self,
        settings: Settings,
        make_app: MakeApp,
        web_socket: socket.socket,
        signals: Signals,
        *,
        timeouts: Timeouts = DEFAULT_TIMEOUTS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._make_app = make_app
        self._web_socket = web_socket
        self._signals = signals
        self._timeouts = timeouts
        self._clock = clock
        self._valkey = [make_valkey(settings)] if settings.embeds_valkey else []
        self._children = [Child("web", partial(_serve, settings, make_app, web_socket))]
        for number in range(1, settings.workers + 1):
            self._add(f"worker {number}", worker_run.run)
        for number in range(1, settings.listeners + 1):
            self._add(f"listener {number}", run.run)

    def _add(self, name: str, program: Callable[[Flask], int]) -> None:
        make = partial(self._make_app, self._settings)
        become = partial(_run, program, make, self._web_socket)
        self._children.append(Child(name, become))

    def start(self) -> None:
        """Start all processes; raises StartError if Valkey does not start."""
        for valkey in self._valkey:
            valkey.start()
            wait_until_listening(valkey, self._settings)
        for child in self._children:
            child.start()

    def wait_until_ready(self) -> bool:
        """Return True once /readyz reports ready, False if a signal arrives before.

        Raises StartError if a process ends meanwhile, or after the timeout.
        """
        began = self._clock()
        seconds = self._timeouts.ready_seconds
        while not self._signals.stop:
            self._check_none_ended()
            state = self._get_readiness()
            if state is None:
                return True
            if state == ONLY_REDIS_DOWN and self._clock() > began + REDIS_WAIT_SECONDS:
                log.warning("Redis is unavailable; events are accepted and delivered without it")
                return True
            if self._clock() > began + seconds:
                raise StartError(f"Call Events was not ready within {seconds:.0f} s: {state}")
            self._signals.wait(READY_POLL_SECONDS)
        return False

    def supervise(self) -> None:
        """Restart processes that end, until a signal to stop arrives."""
        while not self._signals.stop:
            delays = [child.restart_if_ended() for child in (*self._valkey, *self._children)]
            self._signals.wait(min(RESTART_POLL_SECONDS, *delays))

    def stop(self) -> None:
        """Terminate all processes, and kill those that do not stop in time; Valkey last."""
        stop_seconds = max(self._timeouts.web_stop_seconds, self._settings.shutdown_seconds)
        self._stop_children(self._children, stop_seconds + self._timeouts.stop_grace_seconds)
        self._stop_children(self._valkey, self._timeouts.stop_grace_seconds)

    def _get_readiness(self) -> str | None:
        """Return None if everything is ready, else a description; a signal ends the wait."""
        host = server.local_host(self._settings)
        connection = http.client.HTTPConnection(
            host, self._settings.port, timeout=self._timeouts.response_seconds
        )
        try:
            connection.request("GET", "/readyz")
            if not self._signals.wait(self._timeouts.response_seconds, connection.sock):
                return "the web server does not respond"
            response = connection.getresponse()
            is_ready = response.status == http.HTTPStatus.OK
            return None if is_ready else _describe_unready(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            return f"the web server does not respond ({error})"
        finally:
            connection.close()

    def _check_none_ended(self) -> None:
        for child in (*self._valkey, *self._children):
            if child.exit_code is not None:
                raise StartError(
                    f"The process '{child.name}' ended during the start (exit code "
                    f"{child.exit_code}). See its output above."
                )

    def _stop_children(self, children: list[Child], seconds: float) -> None:
        for child in children:
            child.terminate()
        deadline = self._clock() + seconds
        while any(child.pid for child in children) and not self._signals.stop_at_once:
            if (rest := deadline - self._clock()) <= 0:
                break
            self._signals.wait(min(rest, 0.5))
        for child in children:
            child.kill()


def _serve(settings: Settings, make_app: MakeApp, web_socket: socket.socket) -> None:
    """Run the web server on the socket, which is passed as systemd does."""
    os.dup2(web_socket.fileno(), SYSTEMD_FIRST_FD)
    os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    server.serve(settings, make_app)


def _run(
    program: Callable[[Flask], int], make: Callable[[], Flask], web_socket: socket.socket
) -> None:
    """Run a worker or listener: `program` takes the application and returns the exit code."""
    web_socket.close()
    # Otherwise forked processes could generate the same ids.
    uuid_utils.reseed_rng()
    sys.exit(program(make()))


def _describe_unready(response: bytes) -> str:
    states = json.loads(response)
    return ", ".join(f"{name} {state}" for name, state in states.items() if name != "status")

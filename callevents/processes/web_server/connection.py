"""One connection of a client: a request is read, answered, and only then the next one."""

import asyncio
import socket
import struct
from collections.abc import Iterator
from enum import Enum, auto
from typing import Protocol, cast

import structlog

from callevents.processes.web_server.body_reader import BROKEN_BODY
from callevents.processes.web_server.connection_limits import Connections, Limits
from callevents.processes.web_server.deadline import Deadline
from callevents.processes.web_server.exchange import Exchange, to_address
from callevents.processes.web_server.request import Request, RequestHead
from callevents.processes.web_server.request_reader import RequestReader
from callevents.processes.web_server.response import (
    BUSY,
    CONTINUE,
    RefusedError,
    Response,
    failure_response,
    split_response,
    write_head,
)

#: A response is written in pieces; the next one when the client has read most of the last.
PIECE_BYTES = 64 * 1024
#: A client that goes on sending a refused request gets so far.
MAX_LINGER_BYTES = 4 * 1024 * 1024
#: The application has time limits of its own.
NO_LIMIT_SECONDS = 60.0

#: For SO_LINGER: on, with no time.
RESET_ON_CLOSE = struct.pack("ii", 1, 0)

TOO_SLOW = "The request did not arrive in time."


log = structlog.get_logger("callevents.web")


class Application(Protocol):
    """What answers requests."""

    def body_limit(self, head: RequestHead) -> int | None:
        """Return how many bytes of the body may be read, None if none of it is wanted."""

    def respond(self, exchange: Exchange) -> None:
        """Send the response, later in this event loop; raises nothing."""


class Phase(Enum):
    """What a connection is doing."""

    #: Nothing of the next request has arrived.
    IDLE = auto()
    READING_HEAD = auto()
    READING_BODY = auto()
    #: The application has the request.
    RESPONDING = auto()
    #: The client has to read before the next piece of the response is written.
    WRITING = auto()
    #: The client reads the end of the response, or sends the rest of a request that was refused.
    CLOSING = auto()


class Connection(asyncio.Protocol):
    """One client. All methods run in the event loop."""

    def __init__(self, application: Application, limits: Limits, connections: Connections) -> None:
        self._application = application
        self._limits = limits
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._reader = RequestReader(application.body_limit)
        self._phase = Phase.IDLE
        #: The request to respond to.
        self._request: Request | None = None
        #: What is left of the response.
        self._pieces: Iterator[bytes] = iter(())
        #: True while the client reads too slowly for another piece.
        self._is_paused = False
        self._at_eof = False
        self._is_last = False
        self._lingered = 0
        self._written = 0
        self._read_by_client = 0
        self._checked_at = 0.0
        self._deadline = Deadline(limits.head_seconds, self._expire)

    @property
    def address(self) -> str:
        """The client's IP address."""
        return self._client[0]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start to wait for a request."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=PIECE_BYTES)
        self._client = to_address(transport.get_extra_info("peername"))
        self._server = to_address(transport.get_extra_info("sockname"))
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        """Forget the connection. A request that the application has is processed to its end."""
        self._deadline.cancel()
        self._connections.remove(self)
        self._reader.close()

    def data_received(self, data: bytes) -> None:
        """Read a request; during a response, keep what arrives and then stop reading."""
        if self._phase is Phase.CLOSING:
            self._lingered += len(data)
            if self._lingered > MAX_LINGER_BYTES:
                self.abort()
            return
        self._reader.feed(data)
        if self._is_responding:
            self._transport.pause_reading()
        else:
            self._read()

    def eof_received(self) -> bool:
        """Respond to a client that has closed its sending side, then close the connection."""
        self._at_eof = True
        if self._phase is Phase.CLOSING:
            return False
        if not self._is_responding:
            self._read()
        return True

    def pause_writing(self) -> None:
        """Wait before the next piece."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Go on with the next piece."""
        self._is_paused = False
        if self._phase is Phase.WRITING:
            self._write_pieces()

    def abort(self) -> None:
        """Close the connection at once, and drop what the client has not read."""
        # Otherwise the system would keep it for a client that may never read it.
        if self._transport.is_closing():
            return
        sock = self._transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        self._transport.abort()

    def stop(self) -> None:
        """Close the connection, after the response in progress if there is one."""
        self._is_last = True
        if not self._is_responding:
            self._transport.close()

    @property
    def _is_responding(self) -> bool:
        return self._phase in {Phase.RESPONDING, Phase.WRITING}

    def _read(self) -> None:
        """Read the next request and start to respond, or wait for the rest of it."""
        try:
            request = self._reader.read()
        except RefusedError as error:
            self._refuse(error)
            return
        except OSError as error:
            # There is no room for the body in temporary files.
            log.warning("no room for a request body", error=str(error))
            self._refuse(RefusedError(503, BUSY))
            return
        if request is not None:
            self._connections.set_busy(self)
            self._enter(Phase.RESPONDING, NO_LIMIT_SECONDS)
            self._request = request
            self._application.respond(Exchange(request, self._client, self._server, self._send))
        elif self._at_eof and self._reader.is_in_body:
            self._refuse(RefusedError(400, BROKEN_BODY))
        elif self._at_eof:
            self._transport.close()
        else:
            self._wait()

    def _wait(self) -> None:
        """Set the time limit for the part of the request that is missing."""
        if self._reader.is_continue_due:
            self._reader.is_continue_due = False
            self._write(CONTINUE)
        if self._reader.is_in_body:
            self._enter(Phase.READING_BODY, self._limits.body_seconds)
        elif not self._reader.is_empty:
            self._enter(Phase.READING_HEAD, self._limits.head_seconds)

    def _enter(self, phase: Phase, seconds: float) -> None:
        """Enter a phase that may take so long; no effect if it has begun."""
        if phase is not self._phase:
            self._phase = phase
            self._checked_at = self._loop.time()
            self._deadline.set(seconds)

    def _send(self, response: Response) -> None:
        """Start to write the response."""
        request, self._request = self._request, None
        if request is None:
            raise RuntimeError("This request has a response.")
        request.body.close()
        if self._transport.is_closing():
            return
        self._keep_alive = request.keep_alive and not self._is_last
        self._is_request_read = request.is_body_complete
        self._pieces = split_response(
            response, request.head, PIECE_BYTES, keep_alive=self._keep_alive
        )
        self._write_pieces()

    def _write_pieces(self) -> None:
        """Write the response in pieces, each when the client has read most of the last one."""
        try:
            for piece in self._pieces:
                self._write(piece)
                if self._is_paused:
                    self._enter(Phase.WRITING, self._limits.read_check_seconds)
                    self._connections.set_waiting(self)
                    return
        except Exception as error:
            log.error("response failed", exc_info=error)
            self.abort()
        self._finish()

    def _finish(self) -> None:
        """Read the next request, or close the connection."""
        if self._transport.is_closing():
            return
        # The connection waits from now on, and no longer since the client was too slow.
        self._connections.set_busy(self)
        if not self._keep_alive:
            self._close(is_request_read=self._is_request_read)
            return
        self._enter(Phase.IDLE, self._limits.keepalive_seconds)
        self._transport.resume_reading()
        self._connections.set_waiting(self)
        if not self._transport.is_closing() and (self._at_eof or not self._reader.is_empty):
            self._read()

    def _write(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(data)
            self._written += len(data)

    def _refuse(self, error: RefusedError) -> None:
        """Send the error in the form of its path, and close the connection."""
        self._connections.log_refused(self, error.status, str(error), self._reader.describe())
        retry = [("Retry-After", "1")] if error.status == 503 else []
        environ = {"PATH_INFO": self._reader.describe().partition(" ")[2]}
        response = failure_response(environ, error.status, str(error), retry)
        self._write(write_head(response, keep_alive=False) + response.body)
        self._close(is_request_read=False)

    def _close(self, *, is_request_read: bool) -> None:
        """Close the connection when the client has read the response.

        A client that still sends would lose the response if the connection were closed at once.
        """
        if self._transport.is_closing():
            return
        self._enter(Phase.CLOSING, self._limits.linger_seconds)
        if is_request_read and self._reader.is_empty:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._transport.resume_reading()
        self._connections.set_waiting(self)

    def _expire(self) -> None:
        """Go on if the client reads fast enough; otherwise end the phase that took too long."""
        if self._phase is Phase.RESPONDING:
            self._deadline.set(NO_LIMIT_SECONDS)
        elif self._phase in {Phase.WRITING, Phase.CLOSING} and self._has_client_read():
            self._deadline.set(self._limits.read_check_seconds)
        elif self._phase in {Phase.READING_HEAD, Phase.READING_BODY}:
            self._connections.count_slow()
            self._deadline.set(self._limits.linger_seconds)
            self._refuse(RefusedError(408, TOO_SLOW))
        elif self._transport.get_write_buffer_size():
            self._connections.count_slow()
            self.abort()
        else:
            self._transport.close()

    def _has_client_read(self) -> bool:
        """Return True if the client has read the response fast enough since the last time."""
        unsent = self._transport.get_write_buffer_size()
        read_before, self._read_by_client = self._read_by_client, self._written - unsent
        checked_before, self._checked_at = self._checked_at, self._loop.time()
        read = self._read_by_client - read_before
        seconds = self._checked_at - checked_before
        return bool(unsent) and read >= self._limits.read_bytes_per_second * seconds

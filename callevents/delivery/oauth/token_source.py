"""Gets access tokens for receivers: fetches one, or waits while another process fetches it."""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from callevents.config.settings import Settings
from callevents.db.models import utc_now
from callevents.db.session import read_connection, write_transaction
from callevents.delivery.http.client import Response
from callevents.delivery.http.error_messages import INTERRUPTED
from callevents.delivery.oauth.stored_token import (
    Renewal,
    begin_renewal,
    end_renewal,
    find_ending,
    read_state,
    store_failure,
    store_token,
)
from callevents.delivery.oauth.token_answer import Token, TokenError, read_token
from callevents.delivery.oauth.token_request import build_token_request
from callevents.delivery.request.build import Request
from callevents.security.encryption import Cipher, UnreadableError

#: While another process fetches the token, look this often whether it is there.
LOOK_SECONDS = 0.1
#: After a failure, requests fail with the same message for this time, and nothing is fetched.
RETRY_TIME = timedelta(seconds=5)
#: A lease ends this long after the request for the token must have ended.
LEASE_RESERVE_SECONDS = 10.0
DATABASE_RETRY_SECONDS = 0.5

log = structlog.get_logger("callevents.delivery")


class StoppedError(Exception):
    """The process stops; whether there is a token is not known."""


class TokenSource:
    """Sees to it that receivers have valid access tokens. Thread-safe."""

    def __init__(
        self,
        database: Engine,
        settings: Settings,
        send: Callable[[Request], Response],
        stopped: threading.Event,
    ) -> None:
        """`send` makes a request and returns the answer; `stopped` is set when the process ends."""
        self._database = database
        self._cipher = Cipher(settings.read_encryption_keys)
        self._send = send
        self._stopped = stopped
        self._lease_seconds = settings.total_timeout_seconds + LEASE_RESERVE_SECONDS

    def get(self, receiver_id: int, *, retries: bool = False) -> None:
        """Return once the receiver has a valid token, or needs none.

        `retries`: fetch it although that has failed a moment ago. Raises TokenError, StoppedError.
        """
        failed_after = utc_now() if retries else utc_now() - RETRY_TIME
        # Of a process that has died, the lease ends meanwhile.
        give_up_at = time.monotonic() + 2 * self._lease_seconds
        while not self._has_token(receiver_id, failed_after):
            if renewal := self._begin(receiver_id, failed_after=failed_after):
                self._renew(renewal)
            elif time.monotonic() > give_up_at:
                raise TokenError("There is no access token: no other process has fetched it.")
            elif self._stopped.wait(LOOK_SECONDS):
                raise StoppedError

    def renew_ahead(self) -> int:
        """Renew the tokens that end soon; return how many were renewed."""
        with read_connection(self._database) as connection:
            ending = find_ending(connection, utc_now())
        count = 0
        for receiver_id in ending:
            try:
                if renewal := self._begin(receiver_id, ahead=True):
                    self._renew(renewal)
                    count += 1
            except StoppedError:
                break
            except TokenError as error:
                # The present token is valid for some minutes, and this is tried again.
                log.warning("could not renew a token", receiver=receiver_id, error=str(error))
        return count

    def _has_token(self, receiver_id: int, failed_after: datetime) -> bool:
        """Return True with a token, or if none is needed; raises TokenError after a failure."""
        now = utc_now()
        with read_connection(self._database) as connection:
            state = read_state(connection, receiver_id, now)
        if state is None or state.is_valid:
            return True
        if state.failed_at is not None and failed_after < state.failed_at:
            raise TokenError(state.error)
        return False

    def _begin(
        self, receiver_id: int, *, failed_after: datetime | None = None, ahead: bool = False
    ) -> Renewal | None:
        lease = timedelta(seconds=self._lease_seconds)
        try:
            with write_transaction(self._database) as connection:
                return begin_renewal(
                    connection,
                    receiver_id,
                    self._cipher,
                    utc_now(),
                    lease,
                    failed_after=failed_after,
                    ahead=ahead,
                )
        except UnreadableError as error:
            raise TokenError(str(error)) from None

    def _renew(self, renewal: Renewal) -> None:
        """Fetch the token and store it; raises TokenError, StoppedError."""
        response = self._send(build_token_request(renewal.auth, renewal.credentials))
        if response.error == INTERRUPTED:
            with write_transaction(self._database) as connection:
                end_renewal(connection, renewal)
            raise StoppedError
        try:
            token = read_token(response, renewal.credentials)
        except TokenError as error:
            with write_transaction(self._database) as connection:
                store_failure(connection, renewal, str(error), utc_now())
            raise
        self._store(renewal, token)

    def _store(self, renewal: Renewal, token: Token) -> None:
        """Store the token, also if the database is away for a moment.

        A server that has issued a new refresh token may not accept the former one again.
        """
        give_up_at = time.monotonic() + self._lease_seconds
        while True:
            try:
                with write_transaction(self._database) as connection:
                    store_token(connection, renewal, token, self._cipher, utc_now())
            except DBAPIError:
                is_late = time.monotonic() > give_up_at
                if is_late or self._stopped.wait(DATABASE_RETRY_SECONDS):
                    raise
            else:
                return

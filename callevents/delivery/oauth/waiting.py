"""Claims of one worker that wait for an access token. They take no slot meanwhile."""

import threading
from collections.abc import Callable, Sequence
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from callevents.delivery.claim import Claim
from callevents.delivery.oauth.token_answer import TokenError
from callevents.delivery.oauth.token_source import StoppedError

#: Claims of a receiver that wait. More are left to the database.
MAX_WAITING = 64

FAILED = "There is no access token because of an internal error, which is in the log of the worker."

log = structlog.get_logger("callevents.delivery")


class TokenWaiters:
    """Waits for tokens, with a thread for each receiver. Thread-safe.

    A token server that is slow delays no other receiver.
    """

    def __init__(
        self,
        get_token: Callable[[int], None],
        go_on: Callable[[Sequence[Claim]], None],
        fail: Callable[[Sequence[Claim], str], None],
    ) -> None:
        """`go_on` loads the claims again; `fail` fails their attempts with a message."""
        self._get_token = get_token
        self._go_on = go_on
        self._fail = fail
        self._waiting: dict[int, list[Claim]] = {}
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()

    def add(self, receiver_id: int, claim: Claim) -> bool:
        """Let the claim wait; return False if too many wait for this receiver."""
        with self._lock:
            waiting = self._waiting.setdefault(receiver_id, [])
            if len(waiting) >= MAX_WAITING:
                return False
            waiting.append(claim)
            if len(waiting) == 1:
                thread = threading.Thread(
                    target=partial(self._run, receiver_id), name="token", daemon=True
                )
                self._threads.add(thread)
                thread.start()
            return True

    def close(self) -> None:
        """Wait for the threads; the source of tokens must have been stopped."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join()

    def _run(self, receiver_id: int) -> None:
        problem = ""
        try:
            self._get_token(receiver_id)
        except TokenError as error:
            problem = str(error)
        except StoppedError:
            pass
        except SQLAlchemyError as error:
            # The claims are loaded again, and if need be wait again.
            log.error("database unavailable", receiver=receiver_id, error=str(error))
        except Exception as error:  # the claims must not wait forever
            log.error("could not get a token", receiver=receiver_id, exc_info=error)
            problem = FAILED
        with self._lock:
            claims = self._waiting.pop(receiver_id)
            self._threads.discard(threading.current_thread())
        if problem:
            self._fail(claims, problem)
        else:
            self._go_on(claims)

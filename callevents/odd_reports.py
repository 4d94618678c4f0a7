"""Keeps for people the reports of which nothing came; no answer ever depends on it."""

import time
from collections.abc import Callable
from functools import partial
from threading import Lock, Thread

import structlog
from flask import Flask

from callevents.extensions import begin_write, db, end_transaction
from callevents.heard import REPEATED, note_odd

#: Of a PBX that sends nothing but nonsense, one report in this time is kept by each process, and
#: one that was told before.
PAUSE_SECONDS = 0.25

log = structlog.get_logger("callevents.ingest")


class OddReports:
    """Keeps odd reports of this process. One for an application."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._lock = Lock()
        self._kept_at: dict[tuple[int, bool], float] = {}
        #: What the thread is to keep, by PBX, and the thread, while there is one.
        self._waiting: dict[int, Callable[[], None]] = {}
        self._thread: Thread | None = None

    def keep(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Keep, in a transaction of its own, why nothing came of what `write` tells."""
        if self._is_due(pbx_id, is_repeated=reason.startswith(REPEATED)):
            _keep(pbx_id, status, reason, write)

    def keep_soon(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Do the same in a thread, so that nobody waits for it.

        There is one thread, and of each PBX at most one report waits for it: a storm of them must
        take neither threads nor connections to the database from those who have to be answered.
        """
        if not self._is_due(pbx_id, is_repeated=reason.startswith(REPEATED)):
            return
        with self._lock:
            self._waiting[pbx_id] = partial(_keep, pbx_id, status, reason, write)
            # After a fork, the thread that is known here has ended.
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def _start(self) -> None:
        thread = Thread(target=self._keep_waiting, name="odd reports", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("odd report not kept", error=str(error))
        else:
            self._thread = thread

    def _keep_waiting(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
                _, keep = self._waiting.popitem()
            with self._app.app_context():
                keep()

    def _is_due(self, pbx_id: int, *, is_repeated: bool) -> bool:
        now, key = time.monotonic(), (pbx_id, is_repeated)
        with self._lock:
            is_due = now - self._kept_at.get(key, -PAUSE_SECONDS) >= PAUSE_SECONDS
            if is_due:
                self._kept_at[key] = now
        return is_due


def _keep(pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
    try:
        begin_write()
        note_odd(pbx_id, status, reason, write())
        db.session.commit()
    except Exception as error:  # noqa: BLE001  # it is kept beside answers, and must not spoil one
        end_transaction()
        log.warning("odd report not kept", error=str(error))

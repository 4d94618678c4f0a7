"""Keeps for people the reports of which nothing came; no answer ever depends on it."""

import time
from collections.abc import Callable
from threading import Lock

import structlog

from callevents.extensions import begin_write, db, end_transaction
from callevents.heard import REPEATED, note_odd

#: Of a PBX that sends nothing but nonsense, one report in this time is kept by each process, and
#: one that was told before.
PAUSE_SECONDS = 0.25

log = structlog.get_logger("callevents.ingest")


class OddReports:
    """Keeps odd reports of this process. One for an application."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept_at: dict[tuple[int, bool], float] = {}

    def keep(self, pbx_id: int, status: int, reason: str, write: Callable[[], str]) -> None:
        """Keep, in a transaction of its own, why nothing came of what `write` tells."""
        if not self._is_due(pbx_id, is_repeated=reason.startswith(REPEATED)):
            return
        try:
            begin_write()
            note_odd(pbx_id, status, reason, write())
            db.session.commit()
        except Exception as error:  # noqa: BLE001  # it is kept beside answers, and must not spoil one
            end_transaction()
            log.warning("odd report not kept", error=str(error))

    def _is_due(self, pbx_id: int, *, is_repeated: bool) -> bool:
        now, key = time.monotonic(), (pbx_id, is_repeated)
        with self._lock:
            is_due = now - self._kept_at.get(key, -PAUSE_SECONDS) >= PAUSE_SECONDS
            if is_due:
                self._kept_at[key] = now
        return is_due

"""Keeps for people what was refused or passed over; the answer never depends on it."""

import re
import time
from threading import Lock

import structlog
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Request

from callevents.extensions import begin_write, db, end_transaction
from callevents.heard import MAX_SENT_LENGTH, note_odd

#: Of a PBX that sends nothing but nonsense, one report in this time is kept by each process.
PAUSE_SECONDS = 0.25
_TOKEN = re.compile(r"(?i)(token=)[^&\s]+")
MASK = "***"

log = structlog.get_logger("callevents.ingest")


class OddReports:
    """Keeps odd reports of this process's requests. One for an application."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept_at: dict[int, float] = {}

    def keep(self, pbx_id: int, request: Request, token: str, status: int, reason: str) -> None:
        """Keep what came and why nothing came of it."""
        if not self._is_due(pbx_id):
            return
        try:
            begin_write()
            note_odd(pbx_id, status, reason, _write(request, token))
            db.session.commit()
        except SQLAlchemyError as error:
            end_transaction()
            log.warning("odd report not kept", error=str(error))

    def _is_due(self, pbx_id: int) -> bool:
        now = time.monotonic()
        with self._lock:
            is_due = now - self._kept_at.get(pbx_id, -PAUSE_SECONDS) >= PAUSE_SECONDS
            if is_due:
                self._kept_at[pbx_id] = now
        return is_due


def _write(request: Request, token: str) -> str:
    """Return the beginning of the request, its token masked."""
    query = request.query_string.decode("utf-8", "replace")
    try:
        body = request.get_data()[: 2 * MAX_SENT_LENGTH].decode("utf-8", "replace")
    except Exception:  # noqa: BLE001  # every server has errors of its own for what it cannot read
        body = ""
    line = f"{request.method} {request.path}{'?' if query else ''}{query}"
    kind = f"\nContent-Type: {request.content_type[:200]}" if request.content_type else ""
    text = f"{line}{kind}\n\n{body}".rstrip()
    return _TOKEN.sub(rf"\1{MASK}", text.replace(token, MASK) if token else text)

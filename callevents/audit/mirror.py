"""Copies of the entries in a file and in syslog, written after the commit.

A mirror that fails logs a warning: the change is stored already.
"""

import logging
import os
import sys
from functools import lru_cache
from logging.handlers import SysLogHandler
from pathlib import Path

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session

from callevents.audit.lines import to_line
from callevents.config.operations import parse_syslog_address
from callevents.config.settings import Settings
from callevents.db.models import AuditEntry
from callevents.extensions import app_state, db

_LINES = "callevents_audit_lines"

log = structlog.get_logger("callevents.audit")


def enqueue(session: Session, entry: AuditEntry) -> None:
    """Mirror the entry as soon as the session's transaction has been committed."""
    session.info.setdefault(_LINES, []).append(to_line(entry))


def write(settings: Settings, entries: list[AuditEntry]) -> None:
    """Mirror entries that were committed without a session. Never fails."""
    _write_lines(settings, [to_line(entry) for entry in entries])


@event.listens_for(db.session, "after_commit")
def _write_committed(session: Session) -> None:
    if lines := session.info.pop(_LINES, None):
        _write_lines(app_state().settings, lines)


@event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(_LINES, None)


def _write_lines(settings: Settings, lines: list[str]) -> None:
    if settings.audit_file is not None:
        _append(settings.audit_file, lines)
    if settings.audit_syslog:
        try:
            handler = _connect(settings.audit_syslog)
        except OSError as error:
            log.warning("could not send the history to syslog", error=str(error))
            return
        for line in lines:
            handler.handle(logging.LogRecord("", logging.INFO, "", 0, line, None, None))


def _append(path: Path, lines: list[str]) -> None:
    """Append the lines with one call, so that those of several processes do not mix."""
    data = "".join(f"{line}\n" for line in lines).encode("utf-8", "backslashreplace")
    try:
        # Opened each time, so that the file can be rotated.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.write(file, data) < len(data):
                log.warning("the history's file is incomplete: the disk is full", file=str(path))
        finally:
            os.close(file)
    except OSError as error:
        log.warning("could not write the history's file", file=str(path), error=error.strerror)


class _Handler(SysLogHandler):
    """Logs a warning where the standard library prints a traceback."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: ARG002, N802  # as inherited
        """Log that the entry was not sent."""
        error = sys.exc_info()[1]
        log.warning("could not send the history to syslog", error=str(error))


@lru_cache(maxsize=4)
def _connect(address: str) -> SysLogHandler:
    handler = _Handler(parse_syslog_address(address), SysLogHandler.LOG_AUTHPRIV)
    handler.ident = "callevents: "
    return handler

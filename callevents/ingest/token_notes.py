"""Notes when tokens are used, and reports without a valid token.

Ingest only writes to memory. A thread stores the notes every few seconds, in a transaction of its
own: no response waits for it, and a flood costs one small transaction each time. Notes of the last
seconds are lost if the process is killed.
"""

import os
import threading
import time
import weakref
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import structlog
from flask import Flask
from sqlalchemy import bindparam, delete, or_, select, update

from callevents.db.models import MAX_ADDRESS_LENGTH, IngestToken, UnknownToken, utc_now
from callevents.db.session import begin_write, end_transaction, insert_into
from callevents.extensions import db
from callevents.security.client_network import client_network

FLUSH_SECONDS = 5.0
#: The last use of each token is stored once in this time.
USE_SECONDS = 60.0
#: For each PBX, this many networks are told apart; more count as one, named OTHERS.
MAX_NETWORKS = 20
OTHERS = ""
#: A network without such a report for this time is forgotten.
RETENTION = timedelta(hours=1)

log = structlog.get_logger("callevents.ingest")


class _Use(NamedTuple):
    """The last use of a token, as seconds since 1970 and the address."""

    at: float
    address: str


class _Unknown(NamedTuple):
    """The number of reports from a network, and when the last one was received."""

    reports: int
    at: float


Networks = dict[str, _Unknown]


class TokenNotes:
    """The notes of this process. Each application has one. Thread-safe; raises nothing."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        #: How often notes are stored.
        self.flush_seconds = FLUSH_SECONDS
        self._reset()
        reset = weakref.WeakMethod(self._reset)
        # A forked process has no thread that stores notes.
        os.register_at_fork(after_in_child=lambda: (found := reset()) and found())

    def _reset(self) -> None:
        self._lock = threading.Lock()
        #: By token ID.
        self._uses: dict[str, _Use] = {}
        self._stored_at: dict[str, float] = {}
        #: By PBX ID.
        self._unknown: dict[int, Networks] = {}
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def note_use(self, token_id: str, address: str) -> None:
        """Note that a report with the token was accepted from that address."""
        with self._lock:
            self._uses[token_id] = _Use(time.time(), address)
            if self._thread is None:
                self._start_thread()

    def note_unknown(self, pbx_id: int, address: str) -> None:
        """Note that a report to the PBX had no valid token."""
        network = client_network(address)[:MAX_ADDRESS_LENGTH]
        with self._lock:
            networks = self._unknown.setdefault(pbx_id, {})
            if network not in networks and len(networks) >= MAX_NETWORKS:
                network = OTHERS
            _add(networks, network, _Unknown(1, time.time()))
            if self._thread is None:
                self._start_thread()

    def close(self) -> None:
        """Store all notes, and stop the thread."""
        with self._lock:
            thread = self._thread
            self._closing.set()
        if thread is not None:
            thread.join()
        self.flush(is_last=True)
        with self._lock:
            self._closing.clear()

    def flush(self, *, is_last: bool = False) -> None:
        """Store the notes that are due, or all if `is_last`."""
        now = time.time()
        with self._lock:
            self._stored_at = {
                token_id: at for token_id, at in self._stored_at.items() if now - at < USE_SECONDS
            }
            due = {
                token_id: use
                for token_id, use in self._uses.items()
                if is_last or token_id not in self._stored_at
            }
            for token_id in due:
                del self._uses[token_id]
            self._stored_at |= dict.fromkeys(due, now)
            unknown, self._unknown = self._unknown, {}
        if due or unknown:
            with self._app.app_context():
                _store(due, unknown)

    def _start_thread(self) -> None:
        thread = threading.Thread(target=self._run, name="token notes", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            log.warning("could not store token notes", error=str(error))
        else:
            self._thread = thread

    def _run(self) -> None:
        """Store notes until there are none, or the notes are closed."""
        while not self._closing.wait(self.flush_seconds):
            self.flush()
            with self._lock:
                if not self._uses and not self._unknown:
                    self._thread = None
                    return
        with self._lock:
            self._thread = None


def _add(networks: Networks, network: str, more: _Unknown) -> None:
    before = networks.get(network, _Unknown(0, 0.0))
    networks[network] = _Unknown(before.reports + more.reports, max(before.at, more.at))


_USE = (
    update(IngestToken)
    .where(
        IngestToken.id == bindparam("token_id"),
        or_(IngestToken.last_used_at.is_(None), IngestToken.last_used_at < bindparam("at")),
    )
    .values(last_used_at=bindparam("at"), last_used_address=bindparam("address"))
)


def _store(uses: Mapping[str, _Use], unknown: Mapping[int, Networks]) -> None:
    try:
        begin_write()
        connection = db.session.connection()
        for token_id, use in sorted(uses.items()):
            values = {"at": _moment(use.at), "address": use.address[:MAX_ADDRESS_LENGTH]}
            connection.execute(_USE, {"token_id": token_id, **values})
        for pbx_id, networks in sorted(unknown.items()):
            _store_unknown(pbx_id, networks)
        db.session.commit()
    except Exception as error:  # noqa: BLE001  # notes are not worth more than a warning
        end_transaction()
        log.warning("could not store token notes", error=str(error))


def _store_unknown(pbx_id: int, networks: Networks) -> None:
    """Add the counts of a PBX; delete old ones, so that new networks have room."""
    of_pbx = UnknownToken.pbx_id == pbx_id
    is_old = UnknownToken.last_at < utc_now() - RETENTION
    db.session.execute(delete(UnknownToken).where(of_pbx, is_old))
    known = set(db.session.scalars(select(UnknownToken.network).where(of_pbx)))
    kept: Networks = {}
    for network, found in networks.items():
        has_room = network in known or len(known - {OTHERS}) < MAX_NETWORKS
        name = network if has_room else OTHERS
        known.add(name)
        _add(kept, name, found)
    insert = insert_into(UnknownToken)
    upsert = insert.on_conflict_do_update(
        index_elements=["pbx_id", "network"],
        set_={
            "count": UnknownToken.count + insert.excluded.count,
            "last_at": insert.excluded.last_at,
        },
    )
    rows = [
        {"pbx_id": pbx_id, "network": network, "count": one.reports, "last_at": _moment(one.at)}
        for network, one in sorted(kept.items())
    ]
    db.session.execute(upsert, rows)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)

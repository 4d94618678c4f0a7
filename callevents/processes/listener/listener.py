"""Looks which PBXs are to be listened to, leads where nobody else does, and tells how it goes."""

import threading
import time
from datetime import timedelta

import structlog
from flask import Flask
from sqlalchemy import func, select
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

from callevents.db.models import Extension, utc_now
from callevents.db.session import begin_write
from callevents.extensions import app_state, db
from callevents.processes.listener import discovery
from callevents.processes.listener.follower import Follower
from callevents.processes.listener.lease import (
    COUNTS,
    InstanceId,
    is_free,
    let_go,
    list_enabled,
    take_lead,
    write_status,
)
from callevents.processes.listener.target import Target, make_target
from callevents.vendors.tracking.extension_set import ExtensionSet

#: How often to look for connectors that were set, changed, or left by another listener.
LOOK_SECONDS = 0.5
#: So often within a lease it is renewed, and what is counted is written down.
RENEWALS = 3
EXTENSIONS_SECONDS = 2.0
#: How long a follower may take beyond its own time to store what it has.
PATIENCE_SECONDS = 2.0

log = structlog.get_logger("callevents.listener")


class Listener:
    """One listener process. `run` until `request_stop`, then `close`."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._settings = app_state(app).settings
        self._myself = InstanceId()
        self._followers: dict[int, Follower] = {}
        self._ending: dict[int, Follower] = {}
        self._counted: dict[int, dict[str, int]] = {}
        self._known_sets: dict[int, object] = {}
        self._stopping = threading.Event()
        #: Whether the database did not answer when we looked last.
        self._was_away = False
        self._renew_at = self._look_at_extensions_at = self._lead_until = 0.0
        #: What was written down last.
        self._told: dict[int, object] = {}

    def request_stop(self) -> None:
        """Let `run` return."""
        self._stopping.set()

    def run(self) -> None:
        """Listen until we are to stop."""
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    self._look()
                self._was_away = False
            except SQLAlchemyError as error:
                # The followers go on, and keep what they read.
                self._was_away = True
                log.error("the database does not answer", error=str(error))
            self._stopping.wait(LOOK_SECONDS)

    def close(self) -> None:
        """Store what has been read, and let others lead."""
        led = set(self._followers)
        for pbx_id in led:
            self._end(pbx_id)
        deadline = time.monotonic() + self._settings.shutdown_seconds + PATIENCE_SECONDS
        for follower in self._ending.values():
            follower.join(max(0.0, deadline - time.monotonic()))
        try:
            with self._app.app_context():
                begin_write()
                for pbx_id, follower in self._ending.items():
                    self._write(pbx_id, follower)
                let_go(led, self._myself)
                db.session.commit()
        except SQLAlchemyError as error:
            log.warning("others take over only after the lease", error=str(error))

    def _look(self) -> None:
        """Lead where we can; begin, change and end to follow."""
        rows = list_enabled()
        now = utc_now()
        targets = {pbx.id: make_target(connector, pbx) for connector, pbx in rows}
        wanted = {
            connector.pbx_id
            for connector, _ in rows
            if connector.leader_id == self._myself.id or is_free(connector, now)
        }
        has_new = not wanted <= self._followers.keys() | self._ending.keys()
        db.session.rollback()
        for pbx_id in self._followers.keys() - wanted:
            self._end(pbx_id, is_lost=pbx_id in targets)
        self._forget_ended()
        if wanted and (has_new or self._is_due()):
            wanted = self._lead(wanted)
        self._follow({pbx_id: targets[pbx_id] for pbx_id in wanted})
        for pbx_id, follower in self._followers.items():
            follower.discovery.want(targets[pbx_id].list_wanted_at)
        self._learn()

    def _learn(self) -> None:
        """Propose what the PBXs have listed, until it is time to renew leases: those come first."""
        for follower in self._followers.values():
            while follower.discovery.discovered is not None:
                if time.monotonic() >= self._renew_at:
                    return
                self._learn_next(follower, follower.discovery.discovered)

    def _learn_next(self, follower: Follower, discovered: discovery.Discovered) -> None:
        """Propose a part; again, if the database does not answer."""
        try:
            discovery.store_next(follower.target, discovered)
        except (IntegrityError, DataError) as error:
            log.error("a list cannot be stored", pbx=follower.target.pbx.slug, exc_info=error)
            db.session.rollback()
            discovered.is_stored = True
        if discovered.is_stored and follower.discovery.discovered is discovered:
            follower.discovery.discovered = None

    def _is_due(self) -> bool:
        """Tell whether leases are to be renewed, or what people see has changed."""
        return time.monotonic() >= self._renew_at or self._shown() != self._told

    def _shown(self) -> dict[int, object]:
        """Return what is to be written down at once when it changes."""
        return {
            pbx_id: (follower.status.state, follower.status.last_error_at)
            for pbx_id, follower in self._followers.items()
        }

    def _lead(self, wanted: set[int]) -> set[int]:
        """Lead there if nobody was faster; write down how it goes; return where we lead."""
        lease = timedelta(seconds=self._settings.listen_lease_seconds)
        shown = self._shown()
        until = time.monotonic() + lease.total_seconds()
        begin_write()
        led = take_lead(wanted, self._myself, utc_now(), lease)
        for pbx_id, follower in self._followers.items():
            if pbx_id in led:
                self._write(pbx_id, follower)
        db.session.commit()
        self._lead_until = until
        for pbx_id in led & self._followers.keys():
            self._followers[pbx_id].lead_until(until)
        self._told = shown
        self._renew_at = time.monotonic() + lease.total_seconds() / RENEWALS
        return led

    def _write(self, pbx_id: int, follower: Follower) -> None:
        status = follower.take_status()
        counts = {name: getattr(status, name) for name in COUNTS}
        write_status(
            follower.target, self._myself, status, follower.waiting, self._counted.get(pbx_id, {})
        )
        self._counted[pbx_id] = counts

    def _follow(self, targets: dict[int, Target]) -> None:
        for pbx_id in self._followers.keys() - targets.keys():
            self._end(pbx_id, is_lost=True)
        for pbx_id, target in targets.items():
            follower = self._followers.get(pbx_id)
            if follower is not None and (
                follower.has_failed or follower.target.changed_at != target.changed_at
            ):
                self._end(pbx_id)
            elif follower is None and pbx_id not in self._ending:
                self._begin(pbx_id, target)
        if time.monotonic() >= self._look_at_extensions_at:
            self._look_at_extensions()

    def _begin(self, pbx_id: int, target: Target) -> None:
        follower = Follower(self._app, target, self._read_extensions(pbx_id, target))
        self._followers[pbx_id] = follower
        self._counted.pop(pbx_id, None)
        follower.lead_until(self._lead_until)
        follower.start()
        log.info("this listener leads", pbx=target.pbx.slug)
        if target.pattern_error:
            log.warning("a pattern is ignored", pbx=target.pbx.slug, error=target.pattern_error)

    def _end(self, pbx_id: int, *, is_lost: bool = False) -> None:
        follower = self._ending[pbx_id] = self._followers.pop(pbx_id)
        # While the database was away nobody else could lead: what was read then only we have heard.
        if is_lost and not self._was_away:
            follower.lose_lead()
        else:
            follower.request_stop()

    def _forget_ended(self) -> None:
        for pbx_id, follower in list(self._ending.items()):
            if not follower.is_alive:
                del self._ending[pbx_id]

    def _look_at_extensions(self) -> None:
        """Give followers the PBXs' extensions anew where some were added or deleted."""
        self._look_at_extensions_at = time.monotonic() + EXTENSIONS_SECONDS
        rows = db.session.execute(
            select(Extension.pbx_id, func.count(), func.max(Extension.created_at))
            .where(Extension.pbx_id.in_(self._followers))
            .group_by(Extension.pbx_id)
        )
        present: dict[int, object] = {pbx_id: (count, last) for pbx_id, count, last in rows}
        for pbx_id, follower in self._followers.items():
            if present.get(pbx_id) != self._known_sets.get(pbx_id):
                follower.set_extensions(self._read_extensions(pbx_id, follower.target))
        self._known_sets = present

    def _read_extensions(self, pbx_id: int, target: Target) -> ExtensionSet:
        numbers = db.session.scalars(select(Extension.number).where(Extension.pbx_id == pbx_id))
        return ExtensionSet(numbers, target.extension_pattern)

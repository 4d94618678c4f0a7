"""Acquires leases of PBXs, runs a follower for each, and stores their status."""

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
from callevents.operations.heartbeat import InstanceId
from callevents.processes.listener import discovery
from callevents.processes.listener.follower import Follower
from callevents.processes.listener.lease import (
    COUNTERS,
    acquire_lease,
    is_lease_free,
    list_enabled,
    release_lease,
    update_status,
)
from callevents.processes.listener.target import Target, make_target
from callevents.processes.listener.timings import DEFAULT_TIMINGS, Timings
from callevents.vendors.tracking.extension_set import ExtensionSet

#: How often a lease is renewed, and its counters are stored, within its duration.
RENEWALS_PER_LEASE = 3
EXTENSIONS_POLL_SECONDS = 2.0
#: Additional time for followers to stop, beyond the setting for storing their events.
STOP_GRACE_SECONDS = 2.0

log = structlog.get_logger("callevents.listener")


class Listener:
    """One listener process: `run` until `request_stop`, then `close`."""

    def __init__(self, app: Flask, timings: Timings = DEFAULT_TIMINGS) -> None:
        self._app = app
        self._settings = app_state(app).settings
        self._timings = timings
        self._instance = InstanceId()
        self._followers: dict[int, Follower] = {}
        self._stopping_followers: dict[int, Follower] = {}
        self._written_counters: dict[int, dict[str, int]] = {}
        self._extension_versions: dict[int, object] = {}
        self._stopping = threading.Event()
        #: True if the database was unavailable at the last attempt.
        self._was_unavailable = False
        self._renew_at = self._refresh_extensions_at = self._lease_until = 0.0
        #: The visible status that was stored last.
        self._last_written: dict[int, object] = {}

    def request_stop(self) -> None:
        """Make `run` return."""
        self._stopping.set()

    def run(self) -> None:
        """Follow PBXs until `request_stop`."""
        while not self._stopping.is_set():
            try:
                with self._app.app_context():
                    self._reconcile()
                self._was_unavailable = False
            except SQLAlchemyError as error:
                # The followers continue, and buffer what they read.
                self._was_unavailable = True
                log.error("database unavailable", error=str(error))
            self._stopping.wait(self._timings.poll_seconds)

    def close(self) -> None:
        """Store buffered events and release the leases."""
        held = set(self._followers)
        for pbx_id in held:
            self._stop_follower(pbx_id)
        deadline = time.monotonic() + self._settings.shutdown_seconds + STOP_GRACE_SECONDS
        for follower in self._stopping_followers.values():
            follower.join(max(0.0, deadline - time.monotonic()))
        try:
            with self._app.app_context():
                begin_write()
                for pbx_id, follower in self._stopping_followers.items():
                    self._update_status(pbx_id, follower)
                release_lease(held, self._instance)
                db.session.commit()
        except SQLAlchemyError as error:
            log.warning("could not release leases; they expire", error=str(error))

    def _reconcile(self) -> None:
        """Acquire free leases; start, restart and stop followers accordingly."""
        rows = list_enabled()
        now = utc_now()
        targets = {pbx.id: make_target(connector, pbx) for connector, pbx in rows}
        wanted = {
            connector.pbx_id
            for connector, _ in rows
            if connector.leader_id == self._instance.id or is_lease_free(connector, now)
        }
        has_new = not wanted <= self._followers.keys() | self._stopping_followers.keys()
        db.session.rollback()
        for pbx_id in self._followers.keys() - wanted:
            self._stop_follower(pbx_id, is_lost=pbx_id in targets)
        self._remove_stopped()
        if wanted and (has_new or self._is_renewal_due()):
            wanted = self._acquire_leases(wanted)
        self._update_followers({pbx_id: targets[pbx_id] for pbx_id in wanted})
        for pbx_id, follower in self._followers.items():
            follower.discovery.request(targets[pbx_id].list_wanted_at)
        self._store_discovered()

    def _store_discovered(self) -> None:
        """Store discovered extensions until leases are due for renewal, which has priority."""
        for follower in self._followers.values():
            while follower.discovery.discovered is not None:
                if time.monotonic() >= self._renew_at:
                    return
                self._store_next_batch(follower, follower.discovery.discovered)

    def _store_next_batch(self, follower: Follower, discovered: discovery.Discovered) -> None:
        """Store one batch; it is retried if the database is unavailable."""
        try:
            discovery.store_next_batch(follower.target, discovered)
        except (IntegrityError, DataError) as error:
            log.error(
                "could not store discovered extensions",
                pbx=follower.target.pbx.slug,
                exc_info=error,
            )
            db.session.rollback()
            discovered.is_stored = True
        if discovered.is_stored and follower.discovery.discovered is discovered:
            follower.discovery.discovered = None

    def _is_renewal_due(self) -> bool:
        """Return True if leases are due for renewal or the visible status has changed."""
        return time.monotonic() >= self._renew_at or self._visible_status() != self._last_written

    def _visible_status(self) -> dict[int, object]:
        """Return the part of the status that is stored at once when it changes."""
        return {
            pbx_id: (follower.status.state, follower.status.last_error_at)
            for pbx_id, follower in self._followers.items()
        }

    def _acquire_leases(self, wanted: set[int]) -> set[int]:
        """Acquire or renew leases and store the status; return the PBX ids held."""
        lease = timedelta(seconds=self._settings.listen_lease_seconds)
        visible = self._visible_status()
        until = time.monotonic() + lease.total_seconds()
        begin_write()
        held = acquire_lease(wanted, self._instance, utc_now(), lease)
        for pbx_id, follower in self._followers.items():
            if pbx_id in held:
                self._update_status(pbx_id, follower)
        db.session.commit()
        self._lease_until = until
        for pbx_id in held & self._followers.keys():
            self._followers[pbx_id].extend_lease(until)
        self._last_written = visible
        self._renew_at = time.monotonic() + lease.total_seconds() / RENEWALS_PER_LEASE
        return held

    def _update_status(self, pbx_id: int, follower: Follower) -> None:
        status = follower.collect_status()
        counts = {name: getattr(status, name) for name in COUNTERS}
        update_status(
            follower.target,
            self._instance,
            status,
            follower.waiting,
            self._written_counters.get(pbx_id, {}),
        )
        self._written_counters[pbx_id] = counts

    def _update_followers(self, targets: dict[int, Target]) -> None:
        for pbx_id in self._followers.keys() - targets.keys():
            self._stop_follower(pbx_id, is_lost=True)
        for pbx_id, target in targets.items():
            follower = self._followers.get(pbx_id)
            if follower is not None and (
                follower.has_failed or follower.target.changed_at != target.changed_at
            ):
                self._stop_follower(pbx_id)
            elif follower is None and pbx_id not in self._stopping_followers:
                self._start_follower(pbx_id, target)
        if time.monotonic() >= self._refresh_extensions_at:
            self._refresh_extensions()

    def _start_follower(self, pbx_id: int, target: Target) -> None:
        extensions = self._read_extensions(pbx_id, target)
        follower = Follower(self._app, target, extensions, self._timings)
        self._followers[pbx_id] = follower
        self._written_counters.pop(pbx_id, None)
        follower.extend_lease(self._lease_until)
        follower.start()
        log.info("lease acquired", pbx=target.pbx.slug)
        if target.pattern_error:
            log.warning(
                "invalid extension pattern ignored", pbx=target.pbx.slug, error=target.pattern_error
            )

    def _stop_follower(self, pbx_id: int, *, is_lost: bool = False) -> None:
        follower = self._stopping_followers[pbx_id] = self._followers.pop(pbx_id)
        # While the database was unavailable no other listener could acquire the lease, so only this
        # one received the events.
        if is_lost and not self._was_unavailable:
            follower.lose_lease()
        else:
            follower.request_stop()

    def _remove_stopped(self) -> None:
        for pbx_id, follower in list(self._stopping_followers.items()):
            if not follower.is_alive:
                del self._stopping_followers[pbx_id]

    def _refresh_extensions(self) -> None:
        """Reload the extensions of PBXs where some were added or deleted."""
        self._refresh_extensions_at = time.monotonic() + EXTENSIONS_POLL_SECONDS
        rows = db.session.execute(
            select(Extension.pbx_id, func.count(), func.max(Extension.created_at))
            .where(Extension.pbx_id.in_(self._followers))
            .group_by(Extension.pbx_id)
        )
        current: dict[int, object] = {pbx_id: (count, last) for pbx_id, count, last in rows}
        for pbx_id, follower in self._followers.items():
            if current.get(pbx_id) != self._extension_versions.get(pbx_id):
                follower.set_extensions(self._read_extensions(pbx_id, follower.target))
        self._extension_versions = current

    def _read_extensions(self, pbx_id: int, target: Target) -> ExtensionSet:
        numbers = db.session.scalars(select(Extension.number).where(Extension.pbx_id == pbx_id))
        return ExtensionSet(numbers, target.extension_pattern, target.domain)

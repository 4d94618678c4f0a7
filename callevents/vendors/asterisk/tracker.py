"""Derives call events from Asterisk's AMI messages."""

from collections.abc import Callable, Iterable
from datetime import datetime

from callevents.vendors.asterisk import resync
from callevents.vendors.asterisk.channel_numbers import ChannelNumbers
from callevents.vendors.asterisk.channels import Channel, endpoint_of, is_dialed_number
from callevents.vendors.asterisk.dialing import DialTracker, Events
from callevents.vendors.asterisk.names import name_of
from callevents.vendors.tracking.causes import find_status
from callevents.vendors.tracking.events import Hangup
from callevents.vendors.tracking.extension_set import ExtensionSet
from callevents.vendors.tracking.fields import Message, cause_of, id_of, moment_of, text_of
from callevents.vendors.tracking.legs import MAX_LEGS, Role
from callevents.vendors.tracking.restored_leg import RestoredLeg

RING, UP = "4", "6"
#: The field of a message that has its time, and its units per second.
CLOCK = ("Timestamp", 1)
#: Events that give a channel its name, or a new name.
NAMING_EVENTS = {"Newchannel", "CoreShowChannel", "Rename"}
Handler = Callable[[Message, datetime | None], Events | None]


class AsteriskTracker(DialTracker):
    """Follows the calls of one Asterisk by its AMI events of the class `call`."""

    def __init__(self, extensions: ExtensionSet, max_legs: int = MAX_LEGS) -> None:
        super().__init__(extensions, max_legs)
        self._rows: list[Message] = []
        self._numbers = ChannelNumbers()
        self._handlers: dict[str, Handler] = {
            "Newchannel": self._on_new_channel,
            "DialBegin": self._on_dial_begin,
            "DialEnd": self._on_dial_end,
            "Pickup": self._on_pickup,
            "Rename": self._on_rename,
            "Hangup": self._on_hangup,
            "QueueCallerJoin": self._on_queue_join,
            "QueueCallerAbandon": self._on_queue_abandon,
            "QueueCallerLeave": self._on_queue_leave,
            "CoreShowChannel": self._on_channel_row,
            "CoreShowChannelsComplete": self._on_channel_list_end,
        }

    def feed(self, message: Message, at: datetime | None = None) -> Events:
        """Return the call events derived from the message."""
        self.counts.messages += 1
        at = moment_of(message, *CLOCK) or at
        self._drop_expired(at)
        kind = message.get("Event", "")
        if self._has_true_names(message):
            self._update_legs(message, at)
        elif kind not in NAMING_EVENTS:
            self.counts.broken += 1
            return []
        handler = self._handlers.get(kind)
        if handler is None:
            self.counts.ignored += 1
            return []
        events = handler(message, at)
        self.counts.broken += events is None
        return events or []

    def adopt(self, rows: Iterable[Message], at: datetime | None = None) -> Events:
        """Adopt the channels of a CoreShowChannels list; return what happened while disconnected.

        That is the hangups of the missing ones, and the answers of those that rang.
        """
        running = {uid: row for row in rows if (uid := id_of(row, "Uniqueid"))}
        events = self._hang_up_missing(running, at)
        new = 0
        for uid, row in running.items():
            leg = self._legs.get(uid)
            if leg is None and uid not in self._ended:
                new += 1
                leg = self._new_channel(uid, row)
                self._add(leg)
                resync.adopt_channel(leg, row, is_new=True)
            elif leg is not None and leg.was_cut:
                self._take_name(leg, row)
                events += self._fire_missed(leg, resync.find_missed_answer(leg, row), at)
                resync.adopt_channel(leg, row, is_new=False)
                leg.was_cut = False
                self._legs.touch(leg)
        self.counts.unseen_legs += self._numbers.on_list(new)
        return events

    def restore(self, legs: Iterable[RestoredLeg]) -> None:
        """Follow legs of an earlier listener; the next list confirms those that still run."""
        for leg in legs:
            self._add(Channel(name="", **leg.leg_fields()))

    def handle_disconnect(self) -> None:
        """Mark all legs as unconfirmed, and discard an incomplete list."""
        super().handle_disconnect()
        self._rows.clear()
        self._numbers.on_disconnect()

    def _update_legs(self, message: Message, at: datetime | None) -> None:
        for prefix in ("", "Dest"):
            leg = self._legs.get(message.get(prefix + "Uniqueid", ""))
            if leg is None or message.get("Event") == "CoreShowChannel":
                continue
            self._legs.touch(leg)
            if number := text_of(message, prefix + "ConnectedLineNum"):
                leg.connected_number = number
            if message.get(prefix + "ChannelState") == UP:
                leg.answer(at)

    def _has_true_names(self, message: Message) -> bool:
        """Return True if the names and IDs of channels in the message belong together.

        A caller can forge the ID, but not the name: it comes before all that a caller may write.
        A restored leg has no name until the list of running calls.
        """
        for prefix in ("", "Dest", "Target"):
            leg = self._legs.get(message.get(f"{prefix}Uniqueid", ""))
            name = text_of(message, f"{prefix}Channel")
            if leg is not None and (not name or leg.name not in {"", name}):
                return False
        return True

    def _on_new_channel(self, message: Message, at: datetime | None) -> Events | None:
        uid, name = id_of(message, "Uniqueid"), text_of(message, "Channel")
        if not uid or not name:
            return None
        known = self._legs.get(uid)
        # Another name: one of the two is forged, probably the one of which nothing was sent.
        is_forged = known is not None and known.name != name and not known.sent
        if known is None or is_forged:
            self._add(self._new_channel(uid, message))
            self.counts.unseen_legs += self._numbers.on_new_channel(uid)
        return []

    def _on_rename(self, message: Message, at: datetime | None) -> Events:
        uid, old = message.get("Uniqueid", ""), message.get("Channel", "")
        for row in self._rows:
            # The list that is being received was made before.
            if row.get("Uniqueid") == uid and row.get("Channel") == old:
                row["Channel"] = message.get("Newname", "")
        leg = self._legs.get(uid)
        if leg is not None and leg.name == text_of(message, "Channel"):
            self._rename(leg, text_of(message, "Newname"))
        return []

    def _new_channel(self, uid: str, message: Message) -> Channel:
        name = text_of(message, "Channel")
        linked = id_of(message, "Linkedid") or uid
        exten = text_of(message, "Exten")
        states = {RING: Role.CALLER, "0": Role.CALLED}
        return Channel(
            id=uid,
            call_id=linked,
            name=name,
            extension=self.extensions.pick(endpoint_of(name)),
            role=states.get(message.get("ChannelState", ""), Role.UNKNOWN),
            exten=exten if is_dialed_number(exten) else "",
            is_root=linked == uid,
            caller_number=text_of(message, "CallerIDNum"),
            caller_name=name_of(message, "CallerIDName"),
        )

    def _take_name(self, leg: Channel, row: Message) -> None:
        """Take the name from the list, and what else a restored leg lacks.

        A channel may have been renamed while disconnected, for example by an attended transfer.
        """
        is_restored = not leg.name
        self._rename(leg, text_of(row, "Channel") or leg.name)
        if is_restored:
            leg.is_root = leg.call_id == leg.id
            if is_dialed_number(exten := text_of(row, "Exten")):
                leg.exten = exten

    def _rename(self, leg: Channel, name: str) -> None:
        self._legs.unindex(leg)
        leg.name = name
        self._legs.index(leg)

    def _add(self, leg: Channel) -> None:
        super()._add(leg)
        self._legs.index(leg)

    def _clean_up(self, leg: Channel) -> None:
        super()._clean_up(leg)
        self._legs.unindex(leg)

    def _on_hangup(self, message: Message, at: datetime | None) -> Events | None:
        uid = id_of(message, "Uniqueid")
        if not uid:
            return None
        leg = self._record_end(uid)
        if leg is None:
            return []
        if "ChannelState" in message:
            leg.is_answered = message["ChannelState"] == UP
        if leg.role is Role.CALLED:
            is_other = leg.connected_number not in {"", leg.extension, leg.shown_number}
            leg.peer = leg.connected_number if is_other else leg.peer
        cause = cause_of(message, "Cause")
        status = find_status(cause, is_answered=leg.is_answered, dial_status=leg.dial_status)
        hangup = Hangup(cause=cause, cause_name=text_of(message, "Cause-txt"), status=status)
        return self._fire_hangup(leg, at, hangup)

    def _on_queue_join(self, message: Message, at: datetime | None) -> Events:
        if call := self._calls.find(self._legs.get(message.get("Uniqueid", ""))):
            call.join_queue(text_of(message, "Queue"))
        return []

    def _on_queue_abandon(self, message: Message, at: datetime | None) -> Events:
        if call := self._calls.find(self._legs.get(message.get("Uniqueid", ""))):
            call.is_abandoned = True
        return []

    def _on_queue_leave(self, message: Message, at: datetime | None) -> Events:
        if call := self._calls.find(self._legs.get(message.get("Uniqueid", ""))):
            call.leave_queue()
        return []

    def _on_channel_row(self, message: Message, at: datetime | None) -> Events:
        self._rows.append(resync.cut_row(message))
        del self._rows[: -self._legs.limit]
        return []

    def _on_channel_list_end(self, message: Message, at: datetime | None) -> Events:
        rows, self._rows = self._rows, []
        return self.adopt(rows, at)

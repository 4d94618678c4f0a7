"""The history: who did what, on what, when and from where."""

from callevents.audit.actions import Action
from callevents.audit.actor import Actor, ActorKind, acting_as
from callevents.audit.differences import Hidden, Masked
from callevents.audit.recording import record, record_change, record_on

__all__ = [
    "Action",
    "Actor",
    "ActorKind",
    "Hidden",
    "Masked",
    "acting_as",
    "record",
    "record_change",
    "record_on",
]

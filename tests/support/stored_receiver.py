"""Stores a receiver, for tests of what its requests may have."""

from callevents.db.models import Hook
from callevents.db.models.receiver import Receiver
from callevents.db.session import begin_write
from callevents.extensions import db


def give_receiver(hook: Hook, address: str = "https://a.example") -> Receiver:
    """Make the hook one of a new receiver with this address, and commit."""
    begin_write()
    receiver = Receiver(slug="crm", name="CRM", address=address)
    db.session.add(receiver)
    db.session.flush()
    hook.receiver_id = receiver.id
    db.session.commit()
    return receiver

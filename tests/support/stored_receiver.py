"""Stores a receiver, for tests of what its requests may have."""

import json

from callevents.db.models import Hook, Receiver
from callevents.db.session import begin_write
from callevents.extensions import cipher, db

SECRET = "r3ceiver-secret"


def give_receiver(hook: Hook, address: str = "https://a.example") -> Receiver:
    """Make the hook one of a new receiver with this address, and commit.

    Its values are `portal` and, as a secret, `key`.
    """
    begin_write()
    values = [["portal", "acme", False], ["key", cipher.encrypt(SECRET), True]]
    receiver = Receiver(slug="crm", name="CRM", address=address, values=json.dumps(values))
    db.session.add(receiver)
    db.session.flush()
    hook.receiver_id = receiver.id
    db.session.commit()
    return receiver

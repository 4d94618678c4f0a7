"""Whether a hook, or its receiver, lacks secrets that were left out of an import or a move."""

from callevents.db.models import Hook
from callevents.delivery.request.left_out import (
    explain_of_receiver,
    explain_of_request,
    names_of,
)
from callevents.delivery.request.load import read_template
from callevents.delivery.request.receiver import read_receiver
from callevents.extensions import cipher
from callevents.hooks.receiver import find_receiver
from callevents.security.encryption import UnreadableError


def explain_left_out(hook: Hook) -> str:
    """Return what to enter, and where, before the hook can send; empty if nothing was left out."""
    receiver = find_receiver(hook)
    try:
        fields = read_receiver(receiver, cipher.bound).left_out if receiver else ()
        if receiver and fields:
            return explain_of_receiver(receiver.name, names_of(fields))
        own = read_template(hook, cipher.bound).left_out
    except UnreadableError:
        return ""
    return explain_of_request(own) if own else ""


def lacks_own(hook: Hook) -> bool:
    """Return True if secrets of the hook itself were left out, apart from those of its receiver."""
    try:
        return bool(read_template(hook, cipher.bound).left_out)
    except UnreadableError:
        return False

"""Names of people in AMI messages, which Asterisk escapes as in the language C."""

import re

from callevents.vendors.tracking.fields import Message, text_of

_ESCAPED = re.compile(r"\\([abfnrtv\\'\"?])")
#: Those that a name may contain. Other control characters become spaces.
_CHARACTERS = {"t": "\t", "\\": "\\", "'": "'", '"': '"', "?": "?"}


def name_of(message: Message, field: str) -> str:
    """Return the name as it was before Asterisk escaped it; empty if it is unknown.

    An escape that is broken, because the name was cut, stays as it is.
    """
    name = text_of(message, field)
    return _ESCAPED.sub(lambda found: _CHARACTERS.get(found[1], " "), name).strip()

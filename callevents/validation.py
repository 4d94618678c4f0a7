"""Checks of text that people enter, shared by all rooms."""

from callevents.errors import InvalidError

MAX_NAME_LENGTH = 100


def check_name(name: str, *, field: str = "name") -> str:
    """Return the name without spaces around it; raises InvalidError about `field`."""
    name = name.strip()
    if not name:
        raise InvalidError.of(field, "Enter a name.")
    return check_text(name, field=field, longest=MAX_NAME_LENGTH)


def check_text(text: str, *, field: str, longest: int) -> str:
    """Return the text if it is short enough and printable; raises InvalidError about `field`."""
    if len(text) > longest:
        raise InvalidError.of(
            field, f"At most {longest} characters are possible; these are {len(text)}."
        )
    if not text.isprintable():
        raise InvalidError.of(field, "Control characters are not possible here.")
    return text

"""The error of a start that failed."""

from callevents.errors import CallEventsError


class StartError(CallEventsError):
    """Call Events cannot start, or did not get ready; the text says why and what to do."""

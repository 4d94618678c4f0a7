"""The errors of the domains. They have a message for users and know nothing of HTTP."""

from callevents.counted import counted


class CallEventsError(Exception):
    """An expected error; its text is a message for users."""


class NotFoundError(CallEventsError):
    """The requested object does not exist."""


class ConflictError(CallEventsError):
    """The operation conflicts with existing data."""


class RevokedError(CallEventsError):
    """The token was revoked during the request."""


class UnavailableError(CallEventsError):
    """The database is unavailable; a retry may succeed."""


class InvalidError(CallEventsError):
    """One or more values are invalid.

    `errors` maps field names to lists of messages.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__(" ".join(message for group in errors.values() for message in group))

    @classmethod
    def of(cls, field: str, message: str) -> "InvalidError":
        """Return an error about one field with one message."""
        return cls({field: [message]})


class SignInError(CallEventsError):
    """Wrong username or password. The message never says which."""


class RetryLaterError(CallEventsError):
    """A retry after `wait_seconds` may succeed."""

    def __init__(self, sentence: str, wait_seconds: int) -> None:
        self.sentence = sentence
        self.wait_seconds = wait_seconds
        super().__init__(f"{sentence} Try again in {counted(wait_seconds, 'second')}.")


class QuotaError(RetryLaterError):
    """A report is beyond a quota of its PBX.

    `is_full`: no other report would be accepted either.
    """

    def __init__(self, sentence: str, wait_seconds: int, *, is_full: bool = True) -> None:
        super().__init__(sentence, wait_seconds)
        self.is_full = is_full


class TooManyAttemptsError(RetryLaterError):
    """Sign-in is blocked after repeated failures."""

    def __init__(self, wait_seconds: int) -> None:
        super().__init__("Too many failed sign-ins.", wait_seconds)


class BusyError(RetryLaterError):
    """Too many passwords are being checked at the same time."""

    def __init__(self) -> None:
        super().__init__("Too many people are signing in at the same time.", 1)


class StartError(CallEventsError):
    """Call Events cannot start or did not become ready; the message says why and what to do."""

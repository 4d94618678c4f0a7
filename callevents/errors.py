"""The errors of the domains. They have a message for users and know nothing of HTTP."""


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


class TooManyAttemptsError(CallEventsError):
    """Sign-in is blocked for `wait_seconds` after repeated failures."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(
            "Too many failed sign-ins. Try again in "
            f"{wait_seconds} second{'' if wait_seconds == 1 else 's'}."
        )


class StartError(CallEventsError):
    """Call Events cannot start or did not become ready; the message says why and what to do."""

"""The errors that use cases raise. They carry sentences for people, and know no HTTP."""


class CallEventsError(Exception):
    """Something a person can be told in one sentence, which is the error's text."""


class NotFoundError(CallEventsError):
    """What was asked for does not exist, or not there."""


class ConflictError(CallEventsError):
    """It cannot be done because of what exists already."""


class RevokedError(CallEventsError):
    """The token was valid a moment ago and is not any more."""


class UnavailableError(CallEventsError):
    """The database does not answer now, and may soon."""


class InvalidError(CallEventsError):
    """A value breaks a rule.

    `errors` maps each field's name to the sentences about it.
    """

    def __init__(self, errors: dict[str, list[str]]) -> None:
        self.errors = errors
        super().__init__(" ".join(sentence for group in errors.values() for sentence in group))

    @classmethod
    def of(cls, field: str, sentence: str) -> "InvalidError":
        """Return the error of one field with one sentence."""
        return cls({field: [sentence]})


class SignInError(CallEventsError):
    """The username or the password is wrong; which of them is never said."""


class TooManyAttemptsError(CallEventsError):
    """Sign-in is refused for a while after repeated failures."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(
            "Too many failed sign-ins. Please wait "
            f"{wait_seconds} second{'' if wait_seconds == 1 else 's'} and try again."
        )


class StartError(CallEventsError):
    """Call Events cannot start, or did not get ready; the text says why and what to do."""

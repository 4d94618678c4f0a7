"""Why single sign-on failed, as sentences for users."""

from callevents.config.oidc import OidcProvider
from callevents.errors import SignInError


class ProviderUnavailableError(SignInError):
    """The provider does not answer, or not as the standard says."""

    def __init__(self, provider: OidcProvider, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f"{provider.label} cannot be reached at the moment. Try again later, or sign in "
            "another way."
        )


class ProviderRefusedError(SignInError):
    """The provider did not sign the user in, or its answer proves nothing."""

    def __init__(self, provider: OidcProvider, reason: str) -> None:
        self.reason = reason
        super().__init__(f"{provider.label} did not sign you in. Start again.")


class NoGrantError(SignInError):
    """The provider signed the user in, but nothing here is meant for the user."""

    def __init__(self, provider: OidcProvider) -> None:
        super().__init__(
            f"{provider.label} signed you in, but gives you no access to Call Events. Ask your "
            "administrator to add you to a group that has it."
        )

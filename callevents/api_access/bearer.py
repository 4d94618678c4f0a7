"""Finds whom a request with a token comes from: an API token or an access token of an app."""

from callevents.api_access import api_tokens, app_tokens
from callevents.api_access.last_use import note_use
from callevents.api_access.principal import Principal


def find_principal(text: str, address: str) -> Principal | None:
    """Return the principal of a valid token, None for any other text.

    Notes that the token is in use, from that address.
    """
    if text.startswith(api_tokens.TOKEN_PREFIX):
        token = api_tokens.find_api_token(text)
        if token is None:
            return None
        note_use(token, address)
        return api_tokens.principal_of(token)
    access = app_tokens.find_access_token(text)
    if access is None:
        return None
    note_use(access.app, address)
    if access.grant is not None:
        note_use(access.grant)
    return app_tokens.principal_of(access)

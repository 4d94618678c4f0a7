"""Finds whom a request with a token comes from: an API token or an access token of an app."""

from callevents.api_access import api_tokens, app_tokens
from callevents.api_access.last_use import note_use
from callevents.api_access.principal import Principal
from callevents.db.models import ApiToken, OAuthToken


def find_principal(text: str, address: str) -> Principal | None:
    """Return the principal of a valid token, None for any other text.

    Notes that the token is in use, from that address.
    """
    token = _find_token(text)
    if token is None:
        return None
    if isinstance(token, ApiToken):
        note_use(token, address)
    else:
        note_use(token.app, address)
        if token.grant is not None:
            note_use(token.grant)
    return _principal_of(token)


def find_principal_again(text: str) -> Principal | None:
    """Return the same in the transaction of a change: rights count as they are there."""
    token = _find_token(text)
    return None if token is None else _principal_of(token)


def _find_token(text: str) -> ApiToken | OAuthToken | None:
    if text.startswith(api_tokens.TOKEN_PREFIX):
        return api_tokens.find_api_token(text)
    return app_tokens.find_access_token(text)


def _principal_of(token: ApiToken | OAuthToken) -> Principal:
    if isinstance(token, ApiToken):
        return api_tokens.principal_of(token)
    return app_tokens.principal_of(token)

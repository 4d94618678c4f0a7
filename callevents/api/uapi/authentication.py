"""The token of a request, and whom it comes from."""

from flask import request

from callevents.api.request_limit import RequestLimiter
from callevents.api.uapi.errors import UapiError, access_denied, unauthorized
from callevents.api_access.bearer import find_principal, find_principal_again
from callevents.api_access.principal import Principal
from callevents.api_access.scopes import ApiScope
from callevents.extensions import app_state

TOKEN_PARAMETER = "accessRequestToken"  # noqa: S105  # a name
SCHEME = "bearer"


def authenticate() -> Principal:
    """Return whom the request comes from, and count it.

    Raises UapiError: 401 without a token, 403 if it is not valid or lacks the scope, 429 beyond
    the limit.
    """
    token = _get_token()
    principal = _check(find_principal(token, request.remote_addr or ""))
    usage = app_state().get(RequestLimiter).count(principal.id)
    if usage.is_exceeded:
        wait = {"Retry-After": str(usage.reset_seconds)}
        raise UapiError(
            "too_many_requests",
            f"The app has sent {usage.limit:,} requests within a minute. Wait "
            f"{usage.reset_seconds} seconds.",
            status=429,
            headers=wait,
        )
    return principal


def authenticate_again() -> Principal:
    """Return the same within the transaction of a change, with the rights as they are there."""
    return _check(find_principal_again(_get_token()))


def read_header(value: str) -> str:
    """Return the token in a value of the header, or an empty text.

    The scheme may be missing: some clients of VoipNow send the token alone.
    """
    scheme, _, rest = value.strip().partition(" ")
    if scheme.lower() == SCHEME:
        return rest.strip()
    return "" if rest else scheme


def _get_token() -> str:
    token = read_header(request.headers.get("Authorization", ""))
    token = token or read_header(request.args.get(TOKEN_PARAMETER, ""))
    if not token:
        raise unauthorized()
    return token


def _check(principal: Principal | None) -> Principal:
    if principal is None:
        raise access_denied(
            "The token is unknown, has expired or was revoked. Get another one.",
            error="invalid_token",
        )
    if not principal.has_scope(ApiScope.UAPI):
        raise access_denied("The token lacks the scope uapi.")
    return principal

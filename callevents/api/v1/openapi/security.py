"""How requests are authenticated."""

from typing import Any

from callevents.api.v1.operations import Operation
from callevents.api_access.scopes import V1_SCOPES

_SCOPES = {
    scope.value: scope.description[:1].upper() + scope.description[1:] for scope in V1_SCOPES
}
_TOKEN_URL = "/oauth/token.php"  # noqa: S105  # an address

SECURITY_SCHEMES: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "cea_...",
        "description": "An API token. Add one on the page 'API access', or by `flask tokens add`. "
        "It may do what its scopes and the roles of its owner both allow.",
    },
    "app": {
        "type": "oauth2",
        "description": "An access token of an app (OAuth 2.0). It may do what the app's scopes and "
        "the roles of the user both allow.",
        "flows": {
            "clientCredentials": {"tokenUrl": _TOKEN_URL, "scopes": _SCOPES},
            "authorizationCode": {
                "authorizationUrl": "/oauth/authorize.php",
                "tokenUrl": _TOKEN_URL,
                "refreshUrl": _TOKEN_URL,
                "scopes": _SCOPES,
            },
        },
    },
}


def security_of(operation: Operation) -> list[dict[str, list[str]]]:
    """Return what the operation needs: a token of either kind.

    OpenAPI 3.1 allows scopes for bearer tokens too, but linters do not, so only apps name theirs;
    `x-scope` is for both.
    """
    scopes = [operation.scope.value] if operation.scope else []
    return [{"token": []}, {"app": scopes}]

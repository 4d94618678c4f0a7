"""What each kind of error means and what to do, for the documents."""

from collections.abc import Mapping
from typing import NamedTuple

from callevents.api.v1.problems import ProblemType


class Guidance(NamedTuple):
    """An explanation of a kind of error, in Markdown."""

    meaning: str
    action: str


GUIDE: Mapping[ProblemType, Guidance] = {
    ProblemType.INVALID_REQUEST: Guidance(
        "A query parameter, a field of the body or a header field is missing, unknown or not "
        "valid. `errors` points at each value: `#/url` is the field `url` of the body, `?limit` a "
        "query parameter. `#/` and `?` alone stand for a name that there is not.",
        "Correct the request. Nothing was changed.",
    ),
    ProblemType.INVALID_CURSOR: Guidance(
        "The cursor was made for another list or another filter, or it is cut off.",
        "Begin again without `cursor`. Keep all other parameters the same from page to page.",
    ),
    ProblemType.UNAUTHORIZED: Guidance(
        "There is no token, or it is unknown, has expired or was revoked, or its owner has been "
        "disabled.",
        "Send a valid token: `Authorization: Bearer TOKEN`.",
    ),
    ProblemType.INSUFFICIENT_SCOPE: Guidance(
        "The token is valid, but was not given the scope that `detail` and `WWW-Authenticate` "
        "name. A token for one PBX never has the scopes of users and config.",
        "Use a token with the scope.",
    ),
    ProblemType.FORBIDDEN: Guidance(
        "The token has the scope, but its owner has no role that allows this; or the token would "
        "get more than it has, such as the secret of an app with more scopes.",
        "Ask an admin for the role, or use another token.",
    ),
    ProblemType.NOT_FOUND: Guidance(
        "It does not exist, or the owner of the token may not see it, or the token is limited to "
        "another PBX.",
        "Check the address. Lists show what the token can see.",
    ),
    ProblemType.METHOD_NOT_ALLOWED: Guidance(
        "The address exists, but not for this method.",
        "Use a method that the header `Allow` names.",
    ),
    ProblemType.CONFLICT: Guidance(
        "A name is taken, a limit is reached, the state does not allow it, or someone else changed "
        "the same at the same time. `detail` says which.",
        "Read the object again and decide. Nothing was changed.",
    ),
    ProblemType.STILL_RUNNING: Guidance(
        "Another request with this `Idempotency-Key` has not been answered yet.",
        "Wait as `Retry-After` says, then repeat the request to get its answer.",
    ),
    ProblemType.PRECONDITION_FAILED: Guidance(
        "The object has another version than the one in `If-Match`.",
        "Read it again, apply your change to the new version and send that with its `ETag`.",
    ),
    ProblemType.TOO_LARGE: Guidance(
        "The body has more than 1 MiB.", "Send it in several requests. Nothing was changed."
    ),
    ProblemType.UNSUPPORTED_MEDIA_TYPE: Guidance(
        "The body is not declared as JSON in UTF-8, or it is compressed.",
        "Send `Content-Type: application/json`.",
    ),
    ProblemType.KEY_REUSED: Guidance(
        "A request with this `Idempotency-Key` within 24 hours had another path, query or body.",
        "Use a new key for each thing to do. Nothing was changed.",
    ),
    ProblemType.TOO_MANY_REQUESTS: Guidance(
        "The token made more requests than allowed, or something else may be done only so often; "
        "`detail` says which.",
        "Wait as `Retry-After` says.",
    ),
    ProblemType.INTERNAL_ERROR: Guidance(
        "An error of the server. It has been logged under the request ID.",
        "Report it to the admin with its `request_id`. With an `Idempotency-Key` you can repeat "
        "the request safely.",
    ),
    ProblemType.UNAVAILABLE: Guidance(
        "The server cannot reach its database, or has too many requests at once.",
        "Repeat the request as `Retry-After` says, a POST with an `Idempotency-Key`.",
    ),
}

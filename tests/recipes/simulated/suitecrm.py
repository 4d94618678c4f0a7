"""A simulated SuiteCRM: new calls by its V8 API, with OAuth 2.0.

From docs.suitecrm.com: developer/api/developer-setup-guide/{json-api,configure-authentication}, and
salesagility/SuiteCRM: Api/V8/Config/routes.php, Api/V8/Param/Options/{Type,Attributes}.php,
Api/V8/Controller/ModuleController.php and Api/V8/JsonApi/Response/ErrorResponse.php. The API checks
the names of attributes only; their values are checked against modules/Calls/vardefs.php and
include/language/en_us.lang.php (call_status_dom, call_direction_dom).
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    JSON,
    Check,
    Refused,
    as_json,
    find_problem,
    is_date_and_time,
    is_text,
    matches,
    one_of,
    parse_object,
    read_kind,
)
from tests.recipes.simulated.oauth import CLIENT_ID, CLIENT_SECRET, ClientCredentials
from tests.support.receiver import Arrival, Reply

JSON_API = "application/vnd.api+json"
#: The attributes that vardefs.php requires.
REQUIRED: Mapping[str, Check] = {
    "name": matches(r"(?s).{1,50}"),
    "status": one_of("Planned", "Held", "Not Held"),
    "date_start": is_date_and_time,
    "duration_hours": lambda value: isinstance(value, int) and 0 <= value <= 99,
}
OPTIONAL: Mapping[str, Check] = {
    "direction": one_of("Inbound", "Outbound"),
    "duration_minutes": lambda value: isinstance(value, int) and 0 <= value <= 59,
    "description": is_text,
    "assigned_user_id": matches(r"[A-Za-z0-9-]{0,36}"),
    "date_end": is_date_and_time,
    "parent_type": is_text,
    "parent_id": matches(r"[A-Za-z0-9-]{0,36}"),
}


class SuiteCrm(ClientCredentials):
    """Keeps the attributes of calls."""

    answers: ClassVar = {
        "address": "URL/legacy",
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    token_path = "/legacy/Api/access_token"
    denial: ClassVar = {
        "error": "access_denied",
        "message": "The resource owner or authorization server denied the request.",
        "hint": "Access token could not be verified",
    }

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []

    def accept(self, arrival: Arrival) -> Reply:
        """Return the new record."""
        if (arrival.method, arrival.path) != ("POST", "/legacy/Api/V8/module"):
            raise _refuse("Not found", 404)
        missing = 'The required option "{}" is missing.'
        # A body of another kind is not read.
        is_read = read_kind(arrival) in {JSON, JSON_API}
        body = parse_object(arrival, _refuse) if is_read else {}
        data = body.get("data")
        if not isinstance(data, dict):
            raise _refuse(missing.format("data"))
        if not isinstance(data.get("type"), str):
            raise _refuse(missing.format("type"))
        attributes = data.get("attributes", {})
        _check(data["type"], attributes)
        self.calls.append(attributes)
        return as_json({"data": {"id": f"{len(self.calls):08x}", **data}}, 201, JSON_API)


def _check(module: str, attributes: Any) -> None:
    if module != "Calls":
        raise _refuse(f"Module {module} does not exist")
    if not isinstance(attributes, dict):
        raise _refuse('The option "attributes" is expected to be of type "array".')
    for name in attributes:
        if name not in REQUIRED.keys() | OPTIONAL.keys():
            raise _refuse(f"Property {name} in Call module is invalid")
    given = {name: check for name, check in OPTIONAL.items() if name in attributes}
    if problem := find_problem(attributes, {**REQUIRED, **given}):
        raise _refuse(f"Not as in vardefs.php: {problem}")


def _refuse(detail: str, status: int = 400) -> Refused:
    return Refused(status, {"errors": {"status": status, "title": None, "detail": detail}})

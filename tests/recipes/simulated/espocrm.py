"""A simulated EspoCRM: the entity Call of its REST API.

From espocrm/espocrm, application/Espo: Modules/Crm/Resources/metadata/entityDefs/Call.json,
Resources/metadata/app/regExpPatterns.json, Classes/FieldValidators (varchar, datetime, enum, link),
Core/FieldValidation/Exceptions/ValidationError.php (the answer), Core/Api/Auth.php,
Core/Record/Service.php (the order of checks) and Core/Record/Access/LinkCheck.php. A role does not
allow assignments by default: Resources/metadata/app/acl.json.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    TEXT,
    Check,
    Refused,
    Simulated,
    as_json,
    is_date_and_time,
    matches,
    one_of,
    read_header,
    read_object,
)
from tests.support.receiver import Arrival, Reply

KEY = "2b6f0cc904d137be2e1730235f5664094b"
#: User IDs by extension.
USERS = {"101": "65f0c1a2b3d4e5f60", "102": "65f0c1a2b3d4e5f61", "103": "65f0c1a2b3d4e5f62"}
REQUIRED = ("name", "dateStart", "dateEnd", "assignedUserId")
#: Validators by field, in the words of EspoCRM.
VALIDATORS: Mapping[str, Mapping[str, Check]] = {
    "name": {"maxLength": matches("(?s).{,255}"), "pattern": matches("[^<>=]+")},
    "status": {"valid": one_of("Planned", "Held", "Not Held")},
    "direction": {"valid": one_of("Outbound", "Inbound")},
    "dateStart": {"valid": is_date_and_time},
    "dateEnd": {"valid": is_date_and_time},
    "description": {"valid": lambda value: value is None or isinstance(value, str)},
    "assignedUserId": {"pattern": matches(r"[A-Za-z0-9_=\-.]+")},
}


class EspoCrm(Simulated):
    """Keeps calls."""

    answers: ClassVar = {"address": "URL", "key": KEY}
    users: ClassVar = USERS

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[dict[str, Any]] = []
        #: False: the Assignment Permission of the API user's role is not set.
        self.may_assign = True

    def answer(self, arrival: Arrival) -> Reply:
        """Return the new call."""
        if read_header(arrival, "X-Api-Key") != KEY:
            raise Refused(401, "", TEXT)
        if (arrival.method, arrival.path) != ("POST", "/api/v1/Call"):
            raise Refused(404, "", TEXT)
        call = read_object(arrival, lambda problem: Refused(400, "", TEXT, problem))
        _check_fields(call)
        self._check_assignment(call["assignedUserId"])
        self.calls.append(call)
        return as_json({"id": f"{len(self.calls):017x}", **call})

    def _check_assignment(self, user: str) -> None:
        if not self.may_assign:
            reason = "Assignment failure: assigned user or team not allowed."
            raise Refused(403, "", TEXT, reason)
        if user not in USERS.values():
            raise _refuse(403, "cannotRelateNonExisting", foreignEntityType="User")


def _check_fields(call: dict[str, Any]) -> None:
    for name in REQUIRED:
        if not call.get(name):
            raise _invalid(name, "required")
    for name, validators in VALIDATORS.items():
        for kind, is_valid in validators.items():
            if name in call and not is_valid(call[name]):
                raise _invalid(name, kind)


def _invalid(name: str, kind: str) -> Refused:
    return _refuse(400, "validationFailure", field=name.removesuffix("Id"), type=kind)


def _refuse(status: int, label: str, **data: str) -> Refused:
    return Refused(status, {"messageTranslation": {"label": label, "scope": None, "data": data}})

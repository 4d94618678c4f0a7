"""A simulated Odoo 19 with several databases and the module crm_phonecall: the JSON-2 API.

From odoo/documentation: content/developer/reference/external_api.rst (headers, bodies of errors,
401); odoo/odoo: addons/rpc/controllers/json2.py (404 and 422), odoo/http.py (500 for other
exceptions) and addons/crm/models/crm_lead.py; and OCA/crm:
crm_phonecall/models/crm_phonecall.py.
"""

import re
from typing import Any, ClassVar

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    check_types,
    is_date_and_time,
    is_json,
    parse_object,
    read_header,
)
from tests.support.receiver import Arrival, Reply

DATABASE = "example"
KEY = "6578616d706c65206a736f6e20617069206b6579"
USERS = {"101": 7, "102": 8, "103": 9}
MODELS: dict[str, dict[str, type | tuple[type, ...]]] = {
    "crm.lead": {
        **dict.fromkeys(("name", "phone", "contact_name", "partner_name", "email_from"), str),
        **dict.fromkeys(("description", "type"), str),
        "user_id": int,
    },
    "crm.phonecall": {
        **dict.fromkeys(("name", "partner_phone", "description", "direction", "state"), str),
        "date": str,
        "duration": (int, float),
        "user_id": int,
    },
}
SELECTIONS = {
    "type": {"lead", "opportunity"},
    "direction": {"in", "out"},
    "state": {"open", "cancel", "pending", "done"},
}
_BEARER = re.compile(r"bearer\s+(\S+)", re.IGNORECASE)


class Odoo(Simulated):
    """Keeps the records by their model."""

    answers: ClassVar = {"address": "URL", "database": DATABASE, "key": KEY}
    users: ClassVar = {number: str(user) for number, user in USERS.items()}

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, list[dict[str, Any]]] = {model: [] for model in MODELS}

    def answer(self, arrival: Arrival) -> Reply:
        """Return the IDs of the new records."""
        found = re.fullmatch(r"/json/2/([^/]+)/([^/]+)", arrival.path)
        is_known = read_header(arrival, "X-Odoo-Database") == DATABASE
        if not found or arrival.method != "POST" or not is_known:
            raise _refuse(404, "werkzeug.exceptions.NotFound", "Not found")
        if not is_json(arrival):
            raise _refuse(415, "werkzeug.exceptions.UnsupportedMediaType", "Not JSON")
        token = _BEARER.fullmatch(read_header(arrival, "Authorization"))
        if not token or token[1] != KEY:
            raise _refuse(401, "werkzeug.exceptions.Unauthorized", "Invalid apikey")
        model, method = found.groups()
        if model not in MODELS or method != "create":
            problem = f"the model {model!r} does not exist, or has no method {method!r}"
            raise _refuse(404, "werkzeug.exceptions.NotFound", problem)
        body = parse_object(
            arrival, lambda problem: _refuse(400, "werkzeug.exceptions.BadRequest", problem)
        )
        return as_json(self._create(model, **_read_arguments(body)))

    def _create(self, model: str, vals_list: Any) -> list[int]:
        records = vals_list if isinstance(vals_list, list) else [vals_list]
        for record in records:
            _check(model, record)
        first = len(self.records[model]) + 1
        self.records[model] += records
        return list(range(first, first + len(records)))


def _read_arguments(body: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters of `create`, which is called without records."""
    arguments = {name: value for name, value in body.items() if name != "context"}
    if set(arguments) != {"vals_list"}:
        problem = "create() needs 'vals_list', and takes nothing else"
        raise _refuse(422, "werkzeug.exceptions.UnprocessableEntity", problem)
    return arguments


def _check(model: str, record: Any) -> None:
    fields = MODELS[model]
    if not isinstance(record, dict) or set(record) - set(fields):
        raise _refuse_value(f"Invalid field on {model}")
    if not record.get("name"):
        raise _refuse(422, "odoo.exceptions.ValidationError", "Missing required field 'name'")
    check_types(record, fields, _refuse_value)
    for name, allowed in SELECTIONS.items():
        if record.get(name) and record[name] not in allowed:
            raise _refuse_value(f"Wrong value for {model}.{name}: {record[name]!r}")
    if record.get("user_id") not in {None, *USERS.values()}:
        raise _refuse(422, "odoo.exceptions.ValidationError", "user_id does not exist")
    if record.get("date") and not is_date_and_time(record["date"]):
        raise _refuse_value(f"time data {record['date']!r} does not match the format")


def _refuse_value(problem: str) -> Refused:
    return _refuse(500, "builtins.ValueError", problem)


def _refuse(status: int, name: str, message: str) -> Refused:
    return Refused(
        status, {"name": name, "message": message, "arguments": [message], "context": {}}
    )

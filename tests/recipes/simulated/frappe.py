"""A simulated Frappe with Frappe CRM and ERPNext: call logs by the REST API.

From frappe/frappe: frappe/auth.py (validate_auth), frappe/api/v1.py (create_doc),
frappe/exceptions.py (status), frappe/model/base_document.py (selects, links, lengths; it ignores
unknown fields); frappe/crm: crm/fcrm/doctype/crm_call_log/crm_call_log.json; and frappe/erpnext:
erpnext/telephony/doctype/call_log/call_log.json. Times have no zone, as in MariaDB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.recipes.simulated.base import (
    Refused,
    Simulated,
    as_json,
    check_types,
    is_date_and_time,
    read_header,
    read_object,
)
from tests.support.receiver import Arrival, Reply

KEY, SECRET = "4c1b7e0d9f2a3b5", "8e6f1d2c3b4a5f9"
USERS = {"101": "emma@example.com", "102": "noah@example.com", "103": "mia@example.com"}
STATUSES = {
    *("Ringing", "In Progress", "Completed", "Failed", "Busy", "No Answer", "Queued", "Canceled"),
}
TYPES = {"Incoming", "Outgoing"}
#: The longest text of a field 'Data', and of a name.
MAX_TEXT = 140
TEXTS = ("id", "from", "to", "medium", "recording_url")
TIMES = ("start_time", "end_time")


@dataclass(frozen=True)
class DocType:
    """What a call log of an application needs."""

    selects: Mapping[str, set[str]]
    required: tuple[str, ...] = ()
    #: Fields with a user.
    links: tuple[str, ...] = ()


DOCTYPES = {
    "CRM Call Log": DocType(
        {
            "status": STATUSES | {"Initiated"},
            "type": TYPES,
            "telephony_medium": {"Manual", "Twilio", "Exotel"},
        },
        required=("from", "to", "type", "status"),
        links=("receiver", "caller"),
    ),
    "Call Log": DocType({"status": STATUSES, "type": TYPES}),
}


class Frappe(Simulated):
    """Keeps call logs by their IDs."""

    answers: ClassVar = {"address": "URL", "key": KEY, "secret": SECRET, "zone": "Asia/Kolkata"}
    users: ClassVar = USERS

    def __init__(self) -> None:
        super().__init__()
        self.logs: dict[str, dict[str, Any]] = {}

    def answer(self, arrival: Arrival) -> Reply:
        """Return the new document."""
        prefix, _, name = unquote(arrival.path).rpartition("/")
        if prefix != "/api/resource" or arrival.method != "POST":
            raise _refuse("DoesNotExistError", 404)
        authorization = read_header(arrival, "Authorization")
        if authorization and authorization != f"token {KEY}:{SECRET}":
            raise _refuse("AuthenticationError", 401)
        if name not in DOCTYPES:
            raise _refuse("DoesNotExistError", 404, f"DocType {name} not found")
        if not authorization:
            raise _refuse("PermissionError", 403)
        log = read_object(arrival, lambda problem: _refuse("ValidationError", 417, problem))
        _check(DOCTYPES[name], log)
        key = log.get("id") or f"log-{len(self.logs)}"
        if key in self.logs:
            raise _refuse("DuplicateEntryError", 409, f"{name} {key} already exists")
        self.logs[key] = log
        return as_json({"data": {"doctype": name, "name": key, **log}})


def _check(doctype: DocType, log: dict[str, Any]) -> None:
    given = {name: value for name, value in log.items() if value}
    for name in doctype.links:
        if given.get(name) not in {None, *USERS.values()}:
            raise _refuse("LinkValidationError", 417, f"Could not find {name}: {given[name]}")
    for name in doctype.required:
        if name not in given:
            raise _refuse("MandatoryError", 417, name)
    for name, options in doctype.selects.items():
        if given.get(name) not in {None, *options}:
            raise _invalid(f"{name} cannot be {given[name]!r}")
    check_types(log, {**dict.fromkeys((*TEXTS, *TIMES), str), "duration": (int, float)}, _invalid)
    _check_values(given)


def _check_values(given: dict[str, Any]) -> None:
    for name in TEXTS:
        if len(given.get(name, "")) > MAX_TEXT:
            raise _refuse("CharacterLengthExceededError", 417, f"{name} is too long")
    for name in set(TIMES) & given.keys():
        if not is_date_and_time(given[name]):
            raise _refuse("DataError", 500, f"Incorrect datetime value: {given[name]!r}")


def _invalid(problem: str) -> Refused:
    return _refuse("ValidationError", 417, problem)


def _refuse(kind: str, status: int, problem: str = "") -> Refused:
    text = f"frappe.exceptions.{kind}: {problem}"
    return Refused(status, {"exc_type": kind, "exception": text})

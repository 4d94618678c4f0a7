"""A simulated Bitrix24: external calls by an inbound webhook.

From bitrix24/b24restdocs: api-reference/telephony/telephony-external-call-{register,show,finish}.md
and api-reference/user/user-get.md.
"""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from tests.recipes.simulated.base import Refused, Simulated, as_json, read_json
from tests.support.receiver import Arrival, Reply

SECRET = "k3v9x1q7w5z2m8r4"
#: User IDs by extension.
USERS = {"101": 1269, "102": 1270, "103": 1271, "104": 1272, "105": 1273}
TYPES = {1, 2, 3, 4, 5}
STATUS_CODES = {
    *("200", "304", "603", "603-S", "403", "404", "486", "484", "503", "480", "402", "423"),
    "OTHER",
}
_PHONE_NUMBER = re.compile(r"\+?[0-9]{3,20}")


@dataclass
class Call:
    """A registered call."""

    user_id: int
    phone_number: str
    kind: int
    shown_to: list[int] = field(default_factory=list)
    finished_by: int = 0
    duration: int | None = None
    status: str = ""


class Bitrix24(Simulated):
    """Keeps calls by the IDs that it gives them."""

    answers: ClassVar = {"url": f"URL/rest/1/{SECRET}/"}
    users: ClassVar = {number: str(user) for number, user in USERS.items()}

    def __init__(self) -> None:
        super().__init__()
        self.calls: dict[str, Call] = {}
        self._registered: dict[tuple[Any, ...], str] = {}

    def forget(self) -> None:
        """Let half an hour pass: a call that is registered again gets another ID."""
        self._registered.clear()

    def answer(self, arrival: Arrival) -> Reply:
        """Return the result of a method."""
        prefix, method = f"/rest/1/{SECRET}/", arrival.path.rpartition("/")[2]
        if arrival.path != prefix + method:
            raise _refuse("INVALID_CREDENTIALS", "Invalid request credentials", 401)
        name = method.removesuffix(".json").lower()
        actions = {
            "telephony.externalcall.register": self._register,
            "telephony.externalcall.show": self._show,
            "telephony.externalcall.finish": self._finish,
            "user.get": self._users,
        }
        if name not in actions:
            raise _refuse("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
        fields = (
            read_json(arrival, lambda text: _refuse("ERROR_CORE", text)) if arrival.body else {}
        )
        return as_json({"result": actions[name](fields), "time": {}})

    def _register(self, fields: dict[str, Any]) -> dict[str, Any]:
        user = _find_user(fields)
        number, kind = fields.get("PHONE_NUMBER"), fields.get("TYPE")
        if not isinstance(number, str) or not _PHONE_NUMBER.fullmatch(number):
            raise _refuse("ERROR_CORE", "Unsupported phone number format")
        if kind not in TYPES:
            raise _refuse("ERROR_CORE", "Unknown TYPE")
        _check_date(fields.get("CALL_START_DATE"))
        key = (number, kind, user, fields.get("LINE_NUMBER"), fields.get("EXTERNAL_CALL_ID"))
        call_id = self._registered.setdefault(
            key, f"externalCall.{len(self.calls):032x}.1773130779"
        )
        call = self.calls.setdefault(call_id, Call(user, number, kind))
        if fields.get("SHOW", 1):
            call.shown_to.append(user)
        return {"CALL_ID": call_id, "CRM_CREATED_LEAD": None, "CRM_CREATED_ENTITIES": []}

    def _show(self, fields: dict[str, Any]) -> bool:
        users = fields.get("USER_ID")
        found: list[Any] = users if isinstance(users, list) else [users]
        if not set(found) <= set(USERS.values()):
            raise _refuse("ERROR_CORE", "User is not found or is not active")
        self._find(fields).shown_to += found
        return True

    def _finish(self, fields: dict[str, Any]) -> dict[str, Any]:
        call, user = self._find(fields), _find_user(fields)
        duration, status = fields.get("DURATION", 0), fields.get("STATUS_CODE")
        if not isinstance(duration, int):
            raise _refuse("ERROR_CORE", "DURATION is no integer")
        if status is not None and status not in STATUS_CODES:
            raise _refuse("ERROR_CORE", f"The documentation has no STATUS_CODE {status!r}")
        call.finished_by, call.duration, call.status = user, duration, status or ""
        return {"CALL_ID": fields["CALL_ID"], "CALL_DURATION": duration}

    def _find(self, fields: dict[str, Any]) -> Call:
        call_id = fields.get("CALL_ID")
        if not isinstance(call_id, str):
            raise _refuse("INVALID_ARGUMENT", "CALL_ID must be a string")
        if call_id not in self.calls:
            raise _refuse(
                "ERROR_CORE", "Call is not found (call should be registered prior to finishing)"
            )
        return self.calls[call_id]

    def _users(self, _fields: dict[str, Any]) -> list[dict[str, str]]:
        return [{"ID": str(user), "UF_PHONE_INNER": number} for number, user in USERS.items()]


def _find_user(fields: dict[str, Any]) -> int:
    user, number = fields.get("USER_ID"), fields.get("USER_PHONE_INNER")
    if user is None and not number:
        raise _refuse("ERROR_CORE", "USER_ID or USER_PHONE_INNER should be set")
    found: Any = user if user is not None else USERS.get(str(number))
    if found not in USERS.values():
        raise _refuse("ERROR_CORE", "User is not found or is not active")
    return int(found)


def _check_date(text: Any) -> None:
    try:
        if text is not None and datetime.fromisoformat(text).tzinfo is None:
            raise ValueError
    except (TypeError, ValueError):
        raise _refuse("ERROR_CORE", "CALL_START_DATE should be in the ISO-8601 format") from None


def _refuse(code: str, description: str, status: int = 400) -> Refused:
    return Refused(status, {"error": code, "error_description": description})

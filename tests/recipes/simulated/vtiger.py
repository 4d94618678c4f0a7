"""A simulated Vtiger: the module PBX Manager.

From YetiForceCompany/YetiForceCRM, modules/PBXManager: callbacks/PBXManager.php,
controllers/PBXManager.php, connectors/PBXManager.php and models/Record.php. It answers 200 to
everything, also to a wrong secret.
"""

from dataclasses import dataclass
from typing import ClassVar

from tests.recipes.simulated.base import (
    FORM,
    TEXT,
    Refused,
    Simulated,
    is_date_and_time,
    read_form,
    read_kind,
)
from tests.support.receiver import Arrival, Reply

SECRET = "vtiger-secret-7d2f9b"
#: User IDs by the field 'CRM Phone Extension'.
USERS = {"101": 11, "102": 12, "103": 13, "104": 14, "105": 15}
TRUNK = "trunk"
XML = "text/xml; charset=utf-8"


@dataclass
class Entry:
    """A line of PBX Manager. `user` is 0 for nobody."""

    uuid: str
    direction: str
    customer_number: str
    user: int
    started_at: str
    status: str = "ringing"
    ended_at: str = ""
    seconds: str = ""
    talk_seconds: str = ""


class Vtiger(Simulated):
    """Keeps calls. Updates change all lines with the call's UUID."""

    answers: ClassVar = {"address": "URL", "secret": SECRET}

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return what PBXManager_PBXManager_Callbacks does."""
        if arrival.path != "/modules/PBXManager/callbacks/PBXManager.php":
            raise Refused(404, "Not Found", TEXT)
        is_read = arrival.method == "GET" or read_kind(arrival) == FORM
        fields = read_form(arrival) if is_read else {}
        if fields.get("vtigersignature") != SECRET:
            raise Refused(200, _as_xml("<Authentication>Failure</Authentication>"), XML)
        actions = {
            "StartApp": self._start,
            "DialAnswer": self._answer,
            "EndCall": self._end,
            "Hangup": self._hang_up,
        }
        status = fields.get("callstatus", "")
        if status not in actions:
            raise _ignore(f"callstatus is {status!r}.")
        return Reply(200, {"Content-Type": XML}, actions[status](fields).encode())

    def _start(self, fields: dict[str, str]) -> str:
        _check_times(fields, "StartTime")
        if not fields.get("callUUID"):
            raise _ignore("The call could never be updated.")
        number = fields.get("callerIdNumber", "")
        device = _read_device(fields.get("channel", ""))
        user = USERS.get(number) or (USERS.get(device) if device.isdecimal() else None)
        customer = fields.get("callerIdName", "") if user and number == device else number
        direction = "outbound" if user else "inbound"
        entry = Entry(fields["callUUID"], direction, customer, user or 0, fields["StartTime"])
        self.entries.append(entry)
        to_dial = [f"{customer}@{TRUNK}"] if user else list(USERS)
        numbers = "".join(f"<Number>SIP/{one}</Number>" for one in to_dial)
        return _as_xml(f"<Dial><Authentication>Success</Authentication>{numbers}</Dial>")

    def _answer(self, fields: dict[str, str]) -> str:
        for entry in self._find(fields):
            is_incoming = entry.direction == "inbound"
            number = fields.get("callerid2" if is_incoming else "callerid1", "")
            entry.status, entry.user = "in-progress", USERS.get(number, entry.user)
        return ""

    def _end(self, fields: dict[str, str]) -> str:
        _check_times(fields, "starttime", "endtime")
        seconds, talk_seconds = fields.get("duration", ""), fields.get("billableseconds", "")
        if not (seconds.isdecimal() and talk_seconds.isdecimal()):
            raise _ignore("duration and billableseconds are seconds.")
        for entry in self._find(fields):
            entry.started_at, entry.ended_at = fields["starttime"], fields["endtime"]
            entry.seconds, entry.talk_seconds = seconds, talk_seconds
        return ""

    def _hang_up(self, fields: dict[str, str]) -> str:
        cause = fields.get("causetxt", "")
        if cause in {"", "null"}:
            raise _ignore("causetxt is not known.")
        known = {"Normal Clearing": "completed", "User busy": "busy", "Call Rejected": "busy"}
        status = known.get(cause, cause)
        if status == "completed" and fields.get("HangupCause") == "NO ANSWER":
            status = "no-answer"
        for entry in self._find(fields):
            entry.status = status
        return ""

    def _find(self, fields: dict[str, str]) -> list[Entry]:
        found = [one for one in self.entries if one.uuid == fields.get("callUUID")]
        if not found:
            raise _ignore("No call has the UUID.")
        return found


def _read_device(channel: str) -> str:
    """Return the name of the device in a channel such as `SIP/101-0000004a`."""
    return channel.partition("-")[0].partition("/")[2].partition("/")[0]


def _check_times(fields: dict[str, str], *names: str) -> None:
    for name in names:
        if not is_date_and_time(fields.get(name)):
            raise _ignore(f"{name} is {fields.get(name)!r}.")


def _ignore(reason: str) -> Refused:
    """Return the empty response to what changes nothing, or makes an entry that is no use."""
    return Refused(200, "", TEXT, reason)


def _as_xml(content: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><Response>{content}</Response>'

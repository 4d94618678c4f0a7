"""docs/voipnow-api.md: its requests work as they stand there, and its tables are complete."""

import re
import shlex

from callevents.api.uapi.fields import FIELDS
from callevents.api.uapi.listing import FILTER_FIELDS, OPERATORS
from tests.api.uapi.conftest import Api, admin_user, api, get_token, succeeded
from tests.support.programs import ROOT

__all__ = ["admin_user", "api", "get_token"]

TEXT = (ROOT / "docs" / "voipnow-api.md").read_text()
HOST = "https://calls.example.com"
SOURCES = (ROOT / "callevents" / "api" / "uapi").glob("*.py")
COMMANDS = [line for line in TEXT.splitlines() if line.startswith("curl -H ")]


def run(api: Api, command: str, event_id: str) -> None:
    """Send the request of a curl command."""
    words = shlex.split(command.replace("TOKEN", api.token).replace("/EVENT", f"/{event_id}"))
    options = dict(zip(words[1::2], words[2::2], strict=False))
    [url] = [word for word in words if word.startswith(HOST)]
    data = words[words.index("-d") + 1] if "-d" in words else None
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    name, _, value = options["-H"].partition(": ")
    api.base = url.removeprefix(HOST)
    # As curl sends data.
    form = {"Content-Type": "application/x-www-form-urlencoded"} if data else {}
    succeeded(api.send(method, data=data, headers={name: value, **form}))


def test_each_command_works(api: Api) -> None:
    """In the order of the page; an event is there for those that name one."""
    assert len(COMMANDS) == 8
    for command in COMMANDS:
        base = api.base
        event_id = api.create()["id"]
        run(api, command, event_id)
        api.base = base


def test_each_error_is_documented() -> None:
    """Each code that the source has is in the table of errors."""
    source = "".join(path.read_text() for path in SOURCES)
    codes = set(re.findall(r'"([a-z]+_invalid|pce_\w+|\w+_denied)"', source))
    codes |= set(re.findall(r'^    \d+: \(\s*"(\w+)"', source, re.MULTILINE))
    codes |= {"count_invalid", "startindex_invalid"}
    assert len(codes) > 20
    rows = "".join(re.findall(r"^\| \d{3} \|.*", TEXT, re.MULTILINE))
    assert {code for code in codes if f"`{code}`" not in rows} == set()


def test_fields_and_filters_are_documented() -> None:
    """Each field and each operator of a filter is named."""
    for name in (*FIELDS, *FILTER_FIELDS, *OPERATORS):
        assert f"`{name}`" in TEXT, name

"""Valid messages of each format, from its vendor's documentation or from a recording."""

import json
from datetime import UTC, datetime
from importlib import import_module

from callevents.enums import Format
from callevents.vendors.registry import READERS

Document = dict[str, object]

NATIVE: Document = {
    "event": "answer-in",
    "extension": "102",
    "peer": "101",
    "call_id": "c",
    "leg_id": "l",
    "at": datetime(2026, 3, 1, tzinfo=UTC).isoformat(),
}


#: Formats whose tests stand beside those of the vendor's event stream.
MODULES = {Format.FREESWITCH: "freeswitch.test_http_reports"}


def _examples_of(format_: Format) -> list[Document]:
    """Return EXAMPLES of the format's test module, such as tests/vendors/test_yeastar.py."""
    name = MODULES.get(format_, f"test_{format_.name.lower()}")
    return list(import_module(f"tests.vendors.{name}").EXAMPLES)


GOOD: dict[Format, list[Document]] = {
    Format.GENERIC: [
        NATIVE,
        {**NATIVE, "event": "hangup", "cause": 16, "duration": 4.5, "status": "ANSWER"},
        {"Type": 1, "ext": "101", "caller-name": "Ana", "called": "102", "id": "k", "at": 1.8e9},
    ],
    **{format_: _examples_of(format_) for format_ in READERS},
}
#: As text: each use makes a new document of it, in which it may change anything.
TEXTS = {format_: [json.dumps(one) for one in found] for format_, found in GOOD.items()}

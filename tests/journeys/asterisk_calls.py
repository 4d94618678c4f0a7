"""Requests that a running Asterisk 22 made from its dialplan, recorded."""

import re
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

TRACES = Path(__file__).parents[1] / "traces"
SCENARIOS = sorted(TRACES.glob("s4?_*.curl.txt"))


def read_queries(path: Path) -> list[str]:
    """Return the queries of the requests of a recording, in order."""
    lines = path.read_text().splitlines()
    return [
        urlsplit(found[1]).query
        for line in lines
        if (found := re.fullmatch(r"\d+\.\d+ GET (\S+) HTTP/1\.1", line))
    ]


def read_fields(query: str) -> dict[str, str]:
    """Return what a request reports."""
    return dict(parse_qsl(query, keep_blank_values=True))

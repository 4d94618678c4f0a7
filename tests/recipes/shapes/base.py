"""What shapes share: strict models, and types of values."""

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter

from callevents.delivery.request.build import Request

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

#: `2026-03-01 22:30:15`.
Moment = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$")]
#: `2026-03-01T22:30:15.250Z`, as in ISO 8601 and RFC 3339.
IsoMoment = Annotated[
    str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$")
]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]+$")]
Text = Annotated[str, StringConstraints(min_length=1)]
E164 = Annotated[str, StringConstraints(pattern=r"^\+[1-9][0-9]{6,14}$")]


class Shape(BaseModel):
    """The body of a request. Values are of exactly these types, and there are no others."""

    model_config = ConfigDict(extra="forbid", strict=True)

    method: ClassVar[str] = "POST"
    content_type: ClassVar[str] = JSON
    #: Of the URL, without its query.
    path: ClassVar[str] = ".*"
    #: Headers that must be there, with their values.
    headers: ClassVar[Mapping[str, str]] = {}
    #: True if the body is a list of these.
    is_list: ClassVar[bool] = False

    @classmethod
    def check(cls, request: Request) -> None:
        """Raise AssertionError or ValidationError unless the request has this shape."""
        assert request.problem == ""
        assert request.method == cls.method
        found = re.fullmatch(r"https?://[^/]+(/[^?]*)(?:\?.*)?", request.url)
        assert found, request.url
        assert re.fullmatch(cls.path, found[1]), request.url
        assert request.headers["Content-Type"] == cls.content_type
        for name, value in cls.headers.items():
            assert request.headers.get(name) == value, name
        cls._read(request.body)

    @classmethod
    def _read(cls, body: str) -> None:
        if cls.content_type == FORM:
            cls.model_validate(read_form(body))
        elif cls.is_list:
            TypeAdapter(list[cls]).validate_python(json.loads(body))  # type: ignore[valid-type]
        else:
            cls.model_validate(json.loads(body))


def read_form(body: str) -> dict[str, Any]:
    """Return the fields of a form, each of which is there once."""
    pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True, errors="strict")
    assert len(dict(pairs)) == len(pairs), "a field is there twice"
    return dict(pairs)

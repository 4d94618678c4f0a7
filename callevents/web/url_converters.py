"""URL converters: IDs, event types, and extensions or all of them."""

from uuid import UUID

from flask import Flask
from werkzeug.routing import BaseConverter, ValidationError

from callevents.db.models import Extension, Pbx
from callevents.enums import EventType
from callevents.pbxs.extensions import get_extension
from callevents.pbxs.pbxs import get_pbx

#: In URLs: all extensions of a PBX.
ALL = "all"


class IdConverter(BaseConverter):
    """A UUID, in the form that the database stores."""

    def to_python(self, value: str) -> str:
        """Return the ID; anything else does not match."""
        try:
            return str(UUID(value))
        except ValueError:
            raise ValidationError from None


class PlaceConverter(IdConverter):
    """The ID of an extension, or `all`."""

    def to_python(self, value: str) -> str:
        """Return the ID or `all`; anything else does not match."""
        return value if value == ALL else super().to_python(value)


class EventTypeConverter(BaseConverter):
    """An event type by its slug."""

    def to_python(self, value: str) -> EventType:
        """Return the event type; anything else does not match."""
        for event_type in EventType:
            if event_type.slug == value:
                return event_type
        raise ValidationError

    def to_url(self, value: EventType) -> str:
        """Return the event type's slug."""
        return value.slug


def init_app(app: Flask) -> None:
    """Register the converters."""
    app.url_map.converters |= {
        "id": IdConverter,
        "place": PlaceConverter,
        "event_type": EventTypeConverter,
    }


def find_place(slug: str, place: str) -> tuple[Pbx, Extension | None]:
    """Return the PBX and its extension, None for all; raises NotFoundError."""
    pbx = get_pbx(slug)
    return pbx, None if place == ALL else get_extension(pbx, place)


def place_of(extension: Extension | None) -> str:
    """Return the extension's part of a URL: its ID, or `all` for None."""
    return extension.id if extension else ALL

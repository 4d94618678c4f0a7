"""What stands in the pages' addresses, beside plain texts: extensions, event types, Event IDs."""

from uuid import UUID

from flask import Flask
from werkzeug.routing import BaseConverter, ValidationError

from callevents.db.models import Extension, Pbx
from callevents.enums import EventType
from callevents.pbxs.extensions import get_extension
from callevents.pbxs.pbxs import get_pbx

#: Stands for all extensions of a PBX.
ALL = "all"


class IdConverter(BaseConverter):
    """An id in the form that the database keeps."""

    def to_python(self, value: str) -> str:
        """Return the id; anything else is no address of ours."""
        try:
            return str(UUID(value))
        except ValueError:
            raise ValidationError from None


class PlaceConverter(IdConverter):
    """An extension's id, or `all`."""

    def to_python(self, value: str) -> str:
        """Return the id or `all`; anything else is no address of ours."""
        return value if value == ALL else super().to_python(value)


class EventTypeConverter(BaseConverter):
    """An event type by its name."""

    def to_python(self, value: str) -> EventType:
        """Return the event type; anything else is no address of ours."""
        for event_type in EventType:
            if event_type.slug == value:
                return event_type
        raise ValidationError

    def to_url(self, value: EventType) -> str:
        """Return the event type's name."""
        return value.slug


def init_app(app: Flask) -> None:
    """Let routes use these parts of addresses."""
    app.url_map.converters |= {
        "id": IdConverter,
        "place": PlaceConverter,
        "event_type": EventTypeConverter,
    }


def find_place(slug: str, place: str) -> tuple[Pbx, Extension | None]:
    """Return the PBX and its extension, None for all of them; raises NotFoundError."""
    pbx = get_pbx(slug)
    return pbx, None if place == ALL else get_extension(pbx, place)


def place_of(extension: Extension | None) -> str:
    """Return what stands for the extension in an address."""
    return extension.id if extension else ALL

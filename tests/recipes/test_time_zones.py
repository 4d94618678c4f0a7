"""The time zone of a receiver, which the filter `in` takes from its values."""

import pytest

from callevents.errors import InvalidError
from callevents.receivers.making import make_receiver
from callevents.receivers.recipe_files import FOLDER, read_recipe

SLACK = read_recipe(FOLDER / "slack.toml")
URL = {"url": "https://hooks.slack.com/services/T/B/X"}


def test_zone_has_a_default() -> None:
    """Who enters none gets UTC."""
    assert make_receiver(SLACK, URL, "Chat").values["zone"] == "UTC"


def test_unknown_zone_is_refused() -> None:
    """It would leave times empty."""
    with pytest.raises(InvalidError, match="such as Europe/Bucharest"):
        make_receiver(SLACK, {**URL, "zone": "Bucharest"}, "Chat")

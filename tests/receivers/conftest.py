"""A folder with a recipe of its own, and receivers made by it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from callevents.config.settings import Settings
from callevents.db.models import Receiver
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe

#: A CRM that opens contacts and keeps a log.
RECIPE = """
name = "Example CRM"
category = "CRM"
summary = "Opens the contact of the caller, and logs the call."
sources = ["https://docs.example.com/api"]
read_on = 2026-11-29
address = "{url}/api/{receiver.team}"
max_in_flight = 2

[[questions]]
name = "url"
label = "the address"
kind = "address"
example = "https://crm.example.com"

[[questions]]
name = "team"
label = "the team"
default = "sales"

[[questions]]
name = "token"
label = "the token"
kind = "secret"

[auth]
kind = "bearer"
values = { token = "{token}" }

[users]
label = "User ID"

[[requests]]
name = "pop"
label = "Open the contact"
event = "dial-in"
path = "/pop"
body = '{"from": "{CallerIDNum}"}'
headers = { "X-Version" = "2" }

[[requests]]
name = "log"
label = "Log the call"
event = "hangup"
path = "/calls"
body = '{"id": "{CallID}"}'
scope = "call"

[[requests]]
name = "busy"
label = "Tell that the user is busy"
event = "answer-in"
path = "/busy"
body = '{}'
is_default = false

[test]
request = "pop"
shows = "The contact opens."
"""
TOKEN = "t0ken-of-the-crm"
ANSWERS = {"url": "https://crm.example.com", "token": TOKEN}


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """The folder of own recipes, with `example-crm`."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    (folder / "example-crm.toml").write_text(RECIPE)
    return folder


@pytest.fixture
def settings(settings: Settings, recipes: Path) -> Settings:
    """Settings for tests, with the folder of own recipes."""
    return settings.model_copy(update={"recipes_dir": str(recipes)})


AddReceiver = Callable[..., Receiver]


@pytest.fixture
def add_receiver(app: object) -> AddReceiver:
    """Adds a receiver by the recipe, with these answers."""

    def add(name: str = "Our CRM", pbx_id: int | None = None, **answers: str) -> Receiver:
        begin_write()
        data = make_receiver(get_recipe("example-crm"), {**ANSWERS, **answers}, name, pbx_id)
        receiver = create_receiver(data)
        db.session.commit()
        return receiver

    return add

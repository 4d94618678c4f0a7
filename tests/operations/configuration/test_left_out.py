"""Receivers by recipes whose secrets an export left out: they send again once these are entered."""

import pytest
from sqlalchemy import select

from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import EventType
from callevents.errors import ConflictError
from callevents.extensions import cipher, db
from callevents.hooks import hooks
from callevents.hooks.options import CustomHeader, HookOptions
from callevents.hooks.suspension import WAITS_FOR_RECEIVER, list_suspended, resume
from callevents.operations.configuration.text import parse, to_yaml
from callevents.receivers.changing import ReceiverChanges, make_changed
from callevents.receivers.connect import connect
from callevents.receivers.left_out import explain
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver, get_receiver, update_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.status import Health, find_status
from tests.operations.configuration.conftest import Another, export, load

SLACK = "https://hooks.slack.com/services/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"
TEAMS = "https://example.logic.azure.com/invoke?api-version=2016-06-01&sig=a1B2c3D4e5F6g7H8i9J0"
#: Recipes, the URL that is a secret, and what the URL of their requests is.
SECRET_URLS = [
    ("slack", SLACK, f"{SLACK.rpartition('/')[0]}/{{receiver.url}}"),
    ("teams", TEAMS, TEAMS),
]
ZAMMAD = "https://help.example.com"
TOKEN = "0123456789abcdef0123"


def connect_new(pbx: Pbx, recipe: str, answers: dict[str, str]) -> None:
    """Add a receiver by the recipe, and connect all extensions."""
    begin_write()
    receiver = create_receiver(make_receiver(get_recipe(recipe), answers, recipe.capitalize()))
    connect(receiver, pbx, None)
    db.session.commit()


def enter(slug: str, **values: str) -> int:
    """Answer questions of the recipe; return how many requests are resumed by it."""
    begin_write()
    receiver = get_receiver(slug)
    done = update_receiver(receiver, make_changed(receiver, ReceiverChanges(values=values)))
    db.session.commit()
    return done.resumed


@pytest.mark.parametrize(("recipe", "url", "stored"), SECRET_URLS)
def test_a_secret_in_the_address(
    pbx: Pbx, another: Another, recipe: str, url: str, stored: str
) -> None:
    """The URL is the secret: entering it resumes the request, which is sent there."""
    connect_new(pbx, recipe, {"url": url})
    document = export()
    text = to_yaml(document)
    assert "a1B2c3D4e5F6g7H8i9J0" not in text
    with another():
        load(parse(text))
        [hook] = db.session.scalars(select(Hook))
        assert hook.suspended_reason == WAITS_FOR_RECEIVER
        status = find_status(get_receiver(recipe))
        assert (status.health, status.missing_secrets) == (Health.NEEDS_SECRET, ("values/url",))
        question = get_recipe(recipe).questions[0]
        assert f"a secret: {question.label}." in status.needs
        assert enter(recipe, url=url) == 1
        assert (hook.suspended_at, hook.url) == (None, stored)
        assert find_status(get_receiver(recipe)).health is Health.UNUSED
        assert read_receiver(get_receiver(recipe), cipher.bound).values["url"] in url
        assert load(document) == []


def test_a_secret_of_a_value(pbx: Pbx, another: Another) -> None:
    """Zammad's token: another answer does not resume its requests, nor does a click."""
    connect_new(pbx, "zammad", {"address": ZAMMAD, "token": TOKEN})
    text = to_yaml(export())
    assert TOKEN not in text
    with another():
        load(parse(text))
        begin_write()
        waiting = list_suspended()
        with pytest.raises(ConflictError, match="without a secret: token"):
            resume(waiting[0])
        db.session.rollback()
        assert "a secret: CTI token." in explain(get_receiver("zammad"))
        assert enter("zammad", token=TOKEN) == len(waiting) > 0
        assert list_suspended() == []


@pytest.mark.parametrize(("recipe", "url", "stored"), SECRET_URLS)
def test_a_new_request_of_a_receiver_that_has_its_secret(
    pbx: Pbx, another: Another, recipe: str, url: str, stored: str
) -> None:
    """The secret part of its URL is the receiver's: the request lacks nothing."""
    connect_new(pbx, recipe, {"url": url})
    document = export()
    without = document.model_copy(
        update={"pbxs": [one.model_copy(update={"hooks": []}) for one in document.pbxs]}
    )
    with another():
        load(without)
        enter(recipe, url=url)
        load(document)
        [hook] = db.session.scalars(select(Hook))
        assert (hook.url, hook.suspended_at) == (stored, None)


def test_entering_a_secret_of_its_own_resumes_a_request(pbx: Pbx, another: Another) -> None:
    """With the same URL, and not while it stands for a secret still."""
    begin_write()
    headers = (CustomHeader("X-Key", TOKEN),)
    data = hooks.HookData("https://crm.example.com/a", options=HookOptions(headers=headers))
    hooks.create_hook(pbx, None, EventType.DIAL_IN, data)
    db.session.commit()
    document = export()
    with another():
        load(document)
        [hook] = list_suspended()
        begin_write()
        with pytest.raises(ConflictError, match="the header X-Key"):
            resume(hook)
        kept = HookOptions(headers=(CustomHeader("X-Key"),))
        hooks.update_hook(hook, hooks.HookData(hook.url, note="New", options=kept))
        assert hook.suspended_at is not None
        hooks.update_hook(hook, hooks.HookData(hook.url, options=data.options))
        assert hook.suspended_at is None
        assert TOKEN in cipher.bound.decrypt(hook.custom_headers.split('"')[3])

"""What the owner of one extension can find out, and send, by previews and tests in the dialog."""

import re
from datetime import UTC, datetime

import pytest
from flask import Flask

from callevents.db.models import Hook
from callevents.db.session import begin_write
from callevents.delivery.request.masking import mask_url
from callevents.delivery.request.signing import ID_HEADER, TIMESTAMP_HEADER, Signing
from callevents.enums import AuthKind, EventType, Role
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.hooks.options import Credentials, CustomHeader, HookOptions
from callevents.hooks.signing_secret import rotate_secret
from callevents.hooks.test_request import build_stored
from callevents.receivers.connect import connect
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.users import replace_users
from callevents.web.request_preview import EXAMPLE_SECRET
from tests.receivers.conftest import TOKEN
from tests.receivers.test_owners import REFUSED, World, fields, sign_in, world
from tests.support.receiver import Receiver
from tests.web.conftest import Visitor

__all__ = ["world"]

#: Of the URL of Slack the end of the path is secret, of that of Teams the parameter sig.
URLS = {"slack": "/hooks/{}", "teams": "/invoke?sig={}"}
SECRET = "k1m2n3p4q5r6s7t8u9v0w1x2y3"


@pytest.fixture
def owner(app: Flask, world: World) -> Visitor:
    """The owner of extension 101."""
    return sign_in(app, world, Role.SELF_SERVICE)


@pytest.fixture
def signed(world: World) -> Hook:
    """A signed request of the receiver with a secret header and a token of its own."""
    begin_write()
    options = HookOptions(
        headers=(CustomHeader("X-Api-Key", "s3cr3t-key-of-crm"),),
        credentials=Credentials(AuthKind.BEARER, secret="t0ken-0f-h00k"),
    )
    data = hooks.HookData(
        f"{world.crm.address}/hangup",
        receiver_id=world.crm.id,
        keeps_receiver=False,
        options=options,
    )
    hook = hooks.create_hook(world.pbx, world.hook.extension, EventType.HANGUP, data)
    rotate_secret(hook)
    db.session.commit()
    return hook


@pytest.fixture(params=URLS)
def webhook(request: pytest.FixtureRequest, world: World, receiver: Receiver) -> Hook:
    """A request of a recipe whose URL is a secret."""
    begin_write()
    answers = {"url": receiver.url + URLS[request.param].format(SECRET), "zone": "UTC"}
    chat = create_receiver(make_receiver(get_recipe(request.param), answers, "Chat", None))
    [hook] = connect(chat, world.pbx, [world.hook.extension], ["incoming-call"]).created
    db.session.commit()
    return hook


def template(text: str, **values: object) -> dict[str, object]:
    """Return fields for a body made from this template."""
    content = {"method": "POST", "body_format": "template", "content_type": "text/plain"}
    return {**content, "body_template": text, **values}


def preview(visitor: Visitor, world: World, hook: Hook, **values: object) -> str:
    """Return the preview of the hook with these fields, as the browser shows it."""
    given = fields(hook, event_id=hook.event_id, url=mask_url(hook.url), **values)
    del given["headers-0-name"]
    given.setdefault("receiver", hook.receiver.slug if hook.receiver else "")
    return visitor.post(f"{world.page}/preview/{hook.event_type.slug}", **given).text


@pytest.mark.parametrize("address", ["the receiver's", "another"])
def test_tests_without_the_receiver(
    owner: Visitor, world: World, signed: Hook, receiver: Receiver, address: str
) -> None:
    """The form cannot take the request out of its receiver: nothing is sent, or signed."""
    url = receiver.url.replace("127.0.0.1", "localhost") if address == "another" else receiver.url
    content = template("evil", receiver="", url=f"{url}/admin", parameters="none")
    given = fields(signed, event_id=signed.event_id, **content)
    given["headers-0-name"] = "X-Api-Key"
    if address == "another":
        given["auth"] = "none"
        del given["headers-0-name"]
    answer = owner.post(f"{world.page}/test/hangup", **given)
    assert REFUSED in answer.text
    assert receiver.arrivals == []


def test_tests_to_a_hidden_url(
    owner: Visitor, world: World, webhook: Hook, receiver: Receiver
) -> None:
    """The masked URL stands for the stored one only in requests of the receiver."""
    content = template("evil", receiver="", url=mask_url(webhook.url), auth="none")
    given = fields(webhook, event_id=webhook.event_id, **content)
    del given["headers-0-name"]
    answer = owner.post(f"{world.page}/test/{webhook.event_type.slug}", **given)
    assert REFUSED in answer.text
    assert receiver.arrivals == []


def test_address_in_a_body(owner: Visitor, world: World, webhook: Hook) -> None:
    """Previews and logs hide what looks secret in addresses that are values of the receiver."""
    shown = preview(owner, world, webhook, **template("> {receiver.url} <"))
    assert "••••" in shown.partition("&gt; ")[2].partition(" &lt;")[0]
    assert SECRET not in shown
    webhook.body_template = '{"text": "{receiver.url}"}'
    request = build_stored(webhook)
    assert SECRET in request.body
    assert SECRET not in request.shown_body


def test_users_of_other_extensions(owner: Visitor, app: Flask, world: World) -> None:
    """A value map cannot turn the own number into that of another extension."""
    begin_write()
    replace_users(world.crm, world.pbx, {"101": "ana@example.com", "102": "boss@example.com"})
    db.session.commit()
    own = preview(owner, world, world.hook, **template("{Extension|user}"))
    assert "ana@example.com" in own
    content = template("{Extension|map:m|user}", value_maps="m: * = 102")
    assert "boss@example.com" not in preview(owner, world, world.hook, **content)
    path = f"/pbxs/{world.pbx.slug}/extensions/configure/hangup"
    given = fields(world.hook, receiver=world.crm.slug, **content)
    del given["headers-0-name"]
    given |= {"preview": "yes", "extension_id": world.hook.extension_id}
    assert "boss@example.com" not in owner.post(path, **given).text
    operator = sign_in(app, world, Role.OPERATOR)
    assert "boss@example.com" in preview(operator, world, world.hook, **content)


def test_secrets_are_not_confirmed(owner: Visitor, world: World) -> None:
    """Neither the length nor the signature tells whether a guess of a secret was right."""
    lengths = set()
    for guess in (TOKEN, "wrong"):
        content = template("{receiver.token|map:m}", value_maps=f"m: {guess} = {50 * 'y'}")
        shown = preview(owner, world, world.hook, signing="new", **content)
        lengths |= set(re.findall(r"Content-Length: (\d+)", shown))
        # The secret of previews is known, so a signature of the body would confirm a guess.
        found = dict(re.findall(r"(webhook-\w+): (\S+)", shown))
        moment = datetime.fromtimestamp(int(found[TIMESTAMP_HEADER]), UTC)
        assert found == Signing(found[ID_HEADER], EXAMPLE_SECRET).headers("••••", moment)
    assert lengths == {str(len("••••".encode()))}

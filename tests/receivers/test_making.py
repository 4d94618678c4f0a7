"""Receivers by a recipe: which answers lead to which values."""

from pathlib import Path

import pytest
from flask import Flask

from callevents.db.models import Receiver
from callevents.db.session import begin_write
from callevents.delivery.request.receiver import read_receiver
from callevents.enums import ReceiverAuth
from callevents.errors import InvalidError
from callevents.extensions import cipher, db
from callevents.receivers.changing import ReceiverChanges, make_changed, make_new
from callevents.receivers.data import ReceiverData
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver, update_receiver
from callevents.receivers.recipe_files import get_recipe
from tests.receivers.conftest import ANSWERS, RECIPE, TOKEN, AddReceiver


def invalid(answers: dict[str, str | None]) -> dict[str, list[str]]:
    """Return the errors about these answers."""
    with pytest.raises(InvalidError) as caught:
        make_receiver(get_recipe("example-crm"), answers, "CRM")
    return caught.value.errors


def test_answers_become_values(app: Flask) -> None:
    """Address, credentials and limits follow from them; defaults are filled in."""
    data = make_receiver(get_recipe("example-crm"), {**ANSWERS, "url": "https://x/crm/"}, "CRM")
    assert data.address == "https://x/crm/api/{receiver.team}"
    assert data.values == {"url": "https://x/crm/", "team": "sales", "token": TOKEN}
    assert data.secret_names == {"token"}
    assert (data.auth, data.credentials) == (ReceiverAuth.BEARER, {"token": TOKEN})
    assert (data.recipe, data.max_in_flight, data.max_per_second) == ("example-crm", 2, None)


def test_each_answer_is_checked(app: Flask) -> None:
    """All at once, each with its question."""
    assert invalid({"url": "ftp://x", "nothing": "?"}) == {
        "values/nothing": ["Example CRM has no question 'nothing'."],
        "values/url": ["The URL must begin with http:// or https://."],
        "values/token": ["Enter a value: the token."],
    }
    assert "values/url" in invalid({"url": "https://x/{CallerIDNum}", "token": "x"})


def test_an_answer_in_the_host_is_a_name(app: Flask, recipes: Path) -> None:
    """A subdomain that is none could choose another host."""
    text = RECIPE.replace("{url}/api/{receiver.team}", "https://{team}.crm.example.com/api")
    (recipes / "example-crm.toml").write_text(text)
    data = make_receiver(get_recipe("example-crm"), {**ANSWERS, "team": "acme"}, "CRM")
    assert data.address == "https://acme.crm.example.com/api"
    for team in ("evil.example/", "a.b", "a@b", "x:1", "evil.example?"):
        assert invalid({**ANSWERS, "team": team}).keys() == {"values/team"}


@pytest.mark.parametrize("recipe", ["mattermost", "n8n", "slack"])
@pytest.mark.parametrize(
    ("url", "address", "secret"),
    [
        ("https://x/a/b", "https://x/a/{receiver.url}", "b"),
        ("https://x/b", "https://x/{receiver.url}", "b"),
        ("http://x:1/a/b//", "http://x:1/a/{receiver.url}", "b"),
        ("https://x/a/b%20c?d=/e", "https://x/a/{receiver.url}?d=/e", "b c"),
    ],
)
def test_the_secret_of_an_address_is_a_secret_value(
    app: Flask, recipe: str, url: str, address: str, secret: str
) -> None:
    """It is the last part of the path, however it looks."""
    data = make_receiver(get_recipe(recipe), {"url": url}, "Chat")
    assert (data.address, data.values["url"]) == (address, secret)
    assert data.secret_names == {"url"}


def test_a_secret_address_is_needed_again(app: Flask, recipes: Path) -> None:
    """It is not kept whole, so what stands in one address with it is not changed alone."""
    text = RECIPE.replace("{receiver.team}", "{team}")
    text = text.replace('kind = "address"', 'kind = "secret-address"')
    (recipes / "example-crm.toml").write_text(text)
    begin_write()
    given = {**ANSWERS, "url": "https://x/a/b"}
    receiver = create_receiver(make_receiver(get_recipe("example-crm"), given, "Chat"))
    db.session.commit()
    with pytest.raises(InvalidError) as caught:
        change(receiver, values={"team": "support"})
    message = "Enter it again: it is used together with what you changed."
    assert caught.value.errors == {"values/url": [message]}
    db.session.rollback()
    change(receiver, values={"team": "support", "url": "https://x/a/c"})
    assert receiver.address == "https://x/a/{receiver.url}/api/support"


@pytest.mark.parametrize("part", ["%FF", "%20b", "b%0A"])
def test_the_secret_of_an_address_is_text(app: Flask, part: str) -> None:
    """It could not be stored as it is."""
    with pytest.raises(InvalidError) as caught:
        make_receiver(get_recipe("slack"), {"url": f"https://x/{part}", "zone": "UTC"}, "Chat")
    message = "The last part of its path must be text in UTF-8, without spaces around it."
    assert caught.value.errors == {"values/url": [message]}


@pytest.mark.parametrize("url", ["https://x", "https://x/", "https://x/?a=/b"])
def test_a_secret_address_needs_its_secret(app: Flask, url: str) -> None:
    """Without a path it is not whole."""
    with pytest.raises(InvalidError) as caught:
        make_receiver(get_recipe("slack"), {"url": url}, "Chat")
    assert caught.value.errors == {
        "values/url": ["Enter the whole URL: the last part of its path is the secret."]
    }


@pytest.mark.parametrize("values", [{"url": "https://x/a/c"}, {"zone": "Europe/Bucharest"}])
def test_a_plain_address_becomes_a_secret_one(app: Flask, values: dict[str, str]) -> None:
    """That of a receiver from before the recipe asked for a secret one, with its next change."""
    begin_write()
    answers = {"url": "https://x/a/b", "zone": "UTC"}
    plain = ReceiverData("Chat", "https://x/a/b", "slack", values=answers)
    receiver = create_receiver(plain)
    db.session.commit()
    change(receiver, values=values)
    assert receiver.address == "https://x/a/{receiver.url}"
    template = read_receiver(receiver, cipher.bound)
    assert template.values["url"] == ("c" if "url" in values else "b")
    assert template.secret_names == {"url"}
    # Its secret is kept from then on.
    change(receiver, values={"zone": "Europe/Vienna"})
    assert read_receiver(receiver, cipher.bound).values["url"] == template.values["url"]


def change(receiver: Receiver, **values: object) -> None:
    """Change a receiver, and commit."""
    begin_write()
    update_receiver(receiver, make_changed(receiver, ReceiverChanges(**values)))  # type: ignore[arg-type]
    db.session.commit()


def test_one_answer_is_changed(add_receiver: AddReceiver) -> None:
    """The others stay, also secret ones; so do the credentials that do not follow from it."""
    receiver = add_receiver()
    change(receiver, values={"team": "support"})
    template = read_receiver(receiver, cipher.bound)
    assert template.values["team"] == "support"
    assert (template.values["token"], template.credentials) == (TOKEN, {"token": TOKEN})
    change(receiver, values={"token": "another"})
    assert read_receiver(receiver, cipher.bound).credentials == {"token": "another"}
    change(receiver, values={"url": "https://crm.example.com/v2"})
    assert receiver.address == "https://crm.example.com/v2/api/{receiver.team}"


def test_rotated_credentials_survive_other_changes(add_receiver: AddReceiver) -> None:
    """A refresh token that the receiver has replaced is not set back to the first one."""
    receiver = add_receiver()
    begin_write()
    receiver.auth_secret = cipher.encrypt('{"token": "rotated"}')
    db.session.commit()
    change(receiver, values={"team": "support"}, name="Other")
    assert read_receiver(receiver, cipher.bound).credentials == {"token": "rotated"}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"address": "https://evil.example"}, "address"),
        ({"secret_names": frozenset({"team"})}, "values"),
        ({"removed": frozenset({"team"})}, "values"),
        ({"values": {"nothing": "x"}}, "values/nothing"),
        ({"values": {"team": "", "token": ""}}, "values/token"),
    ],
)
def test_the_recipe_decides(
    add_receiver: AddReceiver, changes: dict[str, object], field: str
) -> None:
    """What follows from it cannot be set beside it."""
    receiver = add_receiver()
    with pytest.raises(InvalidError) as caught:
        change(receiver, **changes)
    assert set(caught.value.errors) == {field}


def test_a_new_receiver_needs_an_address_or_a_recipe(app: Flask) -> None:
    """And not both."""
    with pytest.raises(InvalidError) as caught:
        make_new("CRM", "", None, ReceiverChanges())
    assert set(caught.value.errors) == {"address"}
    both = ReceiverChanges(address="https://x", values=ANSWERS)
    with pytest.raises(InvalidError) as caught:
        make_new("CRM", "example-crm", None, both)
    assert set(caught.value.errors) == {"address"}

"""Quotas of extensions and requests."""

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select

from callevents.db.models import Extension, Pbx, utc_now
from callevents.db.session import begin_write
from callevents.enums import EventType
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.hooks import hooks
from callevents.pbxs import extensions, pbxs, quotas, suggestions
from callevents.pbxs.suggestions import Suggestion
from tests.conftest import Configure

URL = "http://crm.example.com/"


def limit(pbx: Pbx, **limits: int | None) -> None:
    """Set quotas of the PBX."""
    begin_write()
    quotas.set_quotas(pbx, limits)
    db.session.commit()


def test_extensions(pbx: Pbx, other_pbx: Pbx, configure: Configure) -> None:
    """A third extension is refused with a sentence; another PBX may have more."""
    limit(pbx, max_extensions=2)
    configure.extension("101")
    configure.extension("102")
    with pytest.raises(
        InvalidError,
        match=r"^The quota of Head office is 2 extensions, and it has 2\. Delete others, or ask",
    ):
        configure.extension("103")
    Configure(other_pbx).extension("103")
    limit(pbx, max_extensions=None)
    configure.extension("103")


def test_suggestions(pbx: Pbx, configure: Configure) -> None:
    """Suggestions are added all or none."""
    limit(pbx, max_extensions=3)
    configure.extension("101")
    begin_write()
    listed = [Suggestion(str(number), str(number), "") for number in range(201, 204)]
    suggestions.store_listed(pbx, listed, utc_now())
    db.session.commit()
    begin_write()
    with pytest.raises(InvalidError, match=r"and it has 1\. 3 more are too many\."):
        suggestions.add_suggestions(pbx, None)
    db.session.rollback()
    assert suggestions.count_suggestions(pbx) == 3
    begin_write()
    assert suggestions.add_suggestions(pbx, ["201", "202"]) == ["201", "202"]
    db.session.commit()


def test_requests(pbx: Pbx, configure: Configure) -> None:
    """Requests of all extensions count together; existing ones can be changed at the limit."""
    configure.extension("101")
    limit(pbx, max_hooks=2)
    configure.hook("101", EventType.DIAL_IN, URL)
    hook = configure.hook("*", EventType.DIAL_IN, URL)
    with pytest.raises(InvalidError, match=r"^The quota of Head office is 2 requests, and it has"):
        configure.hook("*", EventType.HANGUP, URL)
    begin_write()
    hooks.update_hook(hook, hooks.HookData(url="http://other.example.com/"))
    db.session.commit()
    limit(pbx, max_hooks=1)
    assert [(one.name, one.used, one.limit) for one in quotas.load_usage(pbx)][-1] == (
        "max_hooks",
        2,
        1,
    )


def test_added_at_the_same_moment(app: Flask, pbx: Pbx) -> None:
    """Of extensions that several processes add at once, no more than the quota are added."""
    limit(pbx, max_extensions=3)
    errors: list[InvalidError] = []

    def add(number: int) -> None:
        with app.app_context():
            begin_write()
            try:
                extensions.add_extension(pbxs.get_pbx("head-office"), str(number))
            except InvalidError as error:
                errors.append(error)
            db.session.commit()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    db.session.rollback()
    assert (len(errors), db.session.scalar(select(func.count()).select_from(Extension))) == (5, 3)


@pytest.mark.parametrize(
    ("text", "number"), [("", None), (" ", None), ("7", 7), (" 1,000 ", 1000), ("1000000", 10**6)]
)
def test_reading(text: str, number: int | None) -> None:
    """An empty text is no limit; separators of thousands are accepted."""
    assert quotas.read_quotas({"max_hooks": text}) == {"max_hooks": number}


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "٣", "1e3", "10000000", "9" * 5000])
def test_reading_nonsense(pbx: Pbx, text: str) -> None:
    """Anything else is refused, at its field."""
    with pytest.raises(InvalidError) as caught:
        quotas.set_quotas(pbx, quotas.read_quotas({"max_hooks": text, "max_extensions": "5"}))
    assert caught.value.errors.keys() == {"max_hooks"}
    assert pbx.max_extensions is None

"""The page 'Activity': the history with filters, and links to it."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import update

from callevents.audit import Actor, ActorKind, acting_as
from callevents.db.models import AuditEntry, Pbx, first_id, utc_now
from callevents.db.session import begin_write, write_transaction
from callevents.delivery.removal import end_removals
from callevents.delivery.suspend import suspend
from callevents.enums import EventType
from callevents.extensions import db
from callevents.hooks import hooks, queries
from callevents.pbxs import extensions, pbxs
from callevents.web.views import activity
from tests.conftest import Configure
from tests.web.conftest import Visitor
from tests.web.views.test_deliveries import LOG, report

PAGE = "/activity"
OLGA = Actor(ActorKind.COMMAND, "olga", "flask pbx rename")


def shown(visitor: Visitor, query: str = "") -> list[str]:
    """Return the labels of the actions that the page shows."""
    page = visitor.get(f"{PAGE}?{query}")
    assert page.status_code == 200
    return re.findall(r'<td class="action">(.*?)</td>', page.text)


def rename(pbx: Pbx, name: str) -> None:
    """Rename the PBX by a command of olga."""
    begin_write()
    with acting_as(OLGA):
        pbxs.rename_pbx(pbx, name)
    db.session.commit()


def test_newest_first_with_values(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Each entry has time, person, action, object, PBX, and the values before and after."""
    configure.extension("101")
    rename(pbx, "<Main>")
    assert shown(admin)[:2] == ["PBX renamed", "Extension added"]
    page = admin.get(PAGE).text
    assert "Head office</del>" in page
    assert "&lt;Main&gt;</ins>" in page
    assert "flask pbx rename" in page
    assert "127.0.0.1" in page


@pytest.fixture
def history(admin: Visitor, pbx: Pbx, other_pbx: Pbx, configure: Configure) -> dict[str, str]:
    """Entries about two PBXs, an extension and hooks; return the parts of queries."""
    configure.extension("101")
    hook = configure.hook("101", EventType.DIAL_IN, "http://a/")
    rename(pbx, "Main")
    begin_write()
    hooks.set_active(hook, False)
    db.session.commit()
    [extension] = extensions.list_extensions(pbx)
    return {"hook": hook.event_id, "extension": extension.id}


#: Queries, and the actions that they show.
FILTERS = {
    "who=olga": ["PBX renamed"],
    "who=admin": ["Signed in"],
    "who=nobody": [],
    "pbx=branch": ["Ingest token created", "PBX added"],
    "action=hook.disabled": ["Request disabled"],
    "object=hook:HOOK": ["Request disabled", "Request created"],
    "object=HOOK": ["Request disabled", "Request created"],
    "object=extension:EXTENSION": ["Request disabled", "Request created", "Extension added"],
    "object=101": ["Extension added"],
    "object=user:1": ["Signed in", "User added"],
    "pbx=head-office&action=pbx.added": ["PBX added"],
    "pbx=head-office&last=24h&who=olga": ["PBX renamed"],
    "to=2020-01-01T00:00": [],
}


@pytest.mark.parametrize("query", FILTERS)
def test_filters(admin: Visitor, history: dict[str, str], query: str) -> None:
    """By person, PBX, object, action and time."""
    ids = {"HOOK": history["hook"], "EXTENSION": history["extension"]}
    filled = re.sub("HOOK|EXTENSION", lambda found: ids[found[0]], query)
    assert shown(admin, filled) == FILTERS[query]


def test_time_range(admin: Visitor, history: dict[str, str]) -> None:
    """Entries from outside the range are left out."""
    begin_write()
    old = utc_now() - timedelta(days=3)
    moved = update(AuditEntry).where(AuditEntry.action == "pbx.renamed")
    db.session.execute(moved.values(id=first_id(old), at=old))
    db.session.commit()
    assert shown(admin, "who=olga&last=24h") == []
    assert shown(admin, "who=olga&last=7d") == ["PBX renamed"]
    assert shown(admin, f"who=olga&from={old - timedelta(1):%FT%R}&to={old + timedelta(1):%FT%R}")


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("pbx=unknown", "There is no PBX"),
        ("action=hook.eaten", "Invalid choice"),
        ("from=yesterday", "Invalid time"),
        ("last=1y", "Invalid choice"),
    ],
)
def test_invalid_filters_are_flagged(admin: Visitor, query: str, message: str) -> None:
    """The field has a message, and nothing is listed."""
    assert shown(admin, query) == []
    page = admin.get(f"{PAGE}?{query}").text
    assert message in page
    assert "Correct these fields" in page


def test_pages(admin: Visitor, pbx: Pbx, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older entries are on further pages, and all are on one of them once."""
    for number in range(4):
        rename(pbx, f"Name {number}")
    everything = shown(admin)
    monkeypatch.setattr(activity, "PAGE_SIZE", 3)
    found, query = [], ""
    while True:
        found += shown(admin, query)
        page = admin.get(f"{PAGE}?{query}").text
        if (older := re.search(r'rel="next"\s+href="/activity\?([^"]+)"', page)) is None:
            break
        query = older[1]
    assert found == everything
    assert admin.get(f"{PAGE}?before=x").status_code == 404


def test_filtering_replaces_list_and_fields(admin: Visitor, history: dict[str, str]) -> None:
    """The list and the fields are sent, and the URL without empty fields."""
    headers = {"HX-Request": "true", "HX-Source": "form#filter"}
    answer = admin.get(f"{PAGE}?who=olga&pbx=&object=", headers=headers)
    assert answer.headers["HX-Replace-Url"] == f"{PAGE}?who=olga"
    assert "<html" not in answer.text
    assert answer.text.count('id="activity"') == answer.text.count('id="activity-fields"') == 1


def test_removed_pbx(admin: Visitor, other_pbx: Pbx) -> None:
    """Its history is still there, and can be filtered."""
    number = other_pbx.id
    begin_write()
    db.session.delete(db.session.get_one(Pbx, number))
    db.session.commit()
    assert shown(admin, f"pbx=%23{number}") == ["Ingest token created", "PBX added"]
    assert ">removed<" in re.sub(r"\s", "", admin.get(PAGE).text)


def test_only_admins_see_it(viewer: Visitor, stranger: Visitor, pbx: Pbx) -> None:
    """Others get neither the page nor links to it."""
    assert viewer.get(PAGE).status_code == 403
    assert stranger.get(PAGE).location == "/sign-in"
    for path in ("/pbxs", "/pbxs/head-office", "/account"):
        assert PAGE not in viewer.get(path).text


def test_links_from_objects(
    admin: Visitor, history: dict[str, str], pbx: Pbx, configure: Configure
) -> None:
    """PBX, extension, request, delivery and account link to their history."""
    configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    delivery_id = report(pbx, "101", "c-1")
    base = f"/pbxs/head-office/extensions/{history['extension']}"
    dialog = f"{base}/requests/{history['hook']}"
    admin.get(f"{LOG}/{delivery_id}")
    admin.post(f"{LOG}/{delivery_id}/cancel")
    links = {
        "/pbxs/head-office": "pbx=head-office",
        base: f"object=extension:{history['extension']}",
        dialog: f"object=hook:{history['hook']}",
        f"{LOG}/{delivery_id}": f"object=delivery:{delivery_id}",
        "/account": "object=user:1",
    }
    for path, query in links.items():
        assert f'href="{PAGE}?{query}"' in admin.get(path).text, path
        assert shown(admin, query), path


def test_a_disabled_or_suspended_request_says_who_and_when(
    admin: Visitor, history: dict[str, str]
) -> None:
    """Its dialog names the person, or the worker with the reason."""
    path = f"/pbxs/head-office/extensions/{history['extension']}/requests/{history['hook']}"
    assert re.search(r"Disabled <time.*</time> by Call Events\.", admin.get(path).text)
    hook_id = queries.get_hook(history["hook"]).id
    db.session.rollback()
    with write_transaction(db.engine) as connection:
        suspend(connection, hook_id, "The receiver returned 410 Gone.", utc_now())
    text = admin.get(path).text
    assert re.search(r"Suspended <time.*</time> by worker: The receiver returned 410 Gone\.", text)


def test_a_cancelled_delivery_says_who_and_when(
    admin: Visitor, pbx: Pbx, configure: Configure
) -> None:
    """Cancelled alone, with all of a filter, as held, and with its request removed."""
    hook = configure.hook("*", EventType.DIAL_IN, "http://127.0.0.1:9/")
    base = "/pbxs/head-office/extensions/all"

    def text(delivery_id: str) -> str:
        page = admin.get(f"{LOG}/{delivery_id}").text
        found = re.search(r'id="cancelled-by">(.*?)</p>', page, re.DOTALL)
        return re.sub(r"<time.*?</time>", "TIME", found[1]).strip() if found else ""

    alone = report(pbx, "101", "c-1")
    assert text(alone) == ""
    admin.post(f"{LOG}/{alone}/cancel")
    assert text(alone) == "Delivery cancelled TIME by admin"
    filtered = report(pbx, "101", "c-2")
    admin.post(f"{LOG}/cancel?ext=101")
    assert text(filtered) == "Delivery cancelled TIME by admin"
    disabled = report(pbx, "101", "c-3")
    begin_write()
    with acting_as(OLGA):
        hooks.set_active(hook, False)
        hooks.cancel_held(hook)
    db.session.commit()
    assert (
        text(disabled) == "Held deliveries cancelled TIME by olga (<code>flask pbx rename</code>)"
    )
    admin.post(f"{base}/requests/{hook.event_id}/active", active="yes")
    removed = report(pbx, "101", "c-4")
    admin.get(f"{base}/clear?event_id={hook.event_id}")
    admin.post(f"{base}/clear", event_id=hook.event_id)
    db.session.rollback()
    end_removals(db.engine, utc_now() + timedelta(seconds=1))
    assert text(removed) == "Request cleared TIME by admin"
    assert text(disabled).startswith("Held deliveries cancelled TIME by olga")

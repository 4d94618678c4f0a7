"""The pages of receivers."""

import html
import re
from contextlib import closing
from datetime import timedelta
from io import BytesIO

import pytest

from callevents.db.models import Hook, Origin, Pbx, utc_now
from callevents.db.models import Receiver as ReceiverRow
from callevents.db.session import begin_write
from callevents.enums import ReceiverAuth
from callevents.extensions import db
from callevents.pbxs.extensions import list_extensions
from callevents.receivers.making import make_receiver
from callevents.receivers.receivers import create_receiver
from callevents.receivers.recipe_files import get_recipe
from callevents.receivers.shown import shown_credentials
from callevents.receivers.users import list_users
from callevents.receivers.validation import Kept
from tests.conftest import Configure
from tests.recipes.simulated.base import listen
from tests.recipes.simulated.zammad import TOKEN, Zammad
from tests.web.conftest import Visitor

ADDRESS = {"answer-address": "https://help.example.com", "answer-token": TOKEN}


def add_zammad(admin: Visitor, **fields: str) -> str:
    """Add a receiver by the form; return the page that follows."""
    admin.get("/receivers/new/zammad")
    answer = admin.post("/receivers/new/zammad", **{"name": "Zammad", **ADDRESS, **fields})
    assert answer.status_code == 303, answer.text
    return str(answer.location)


def connect_zammad(admin: Visitor) -> None:
    """Add a receiver, and connect all extensions of the PBX to it."""
    add_zammad(admin)
    page = "/receivers/zammad/connect/head-office"
    admin.get(page)
    admin.post(page, all="yes", request=first_request())


def stored() -> ReceiverRow:
    """Return the only receiver."""
    db.session.rollback()
    return db.session.query(ReceiverRow).one()


def test_without_receivers_the_recipes_are_shown(admin: Visitor, viewer: Visitor) -> None:
    """Whoever may add one sees what there is; others see that there is none."""
    page = admin.get("/receivers").text
    assert 'id="recipe-zammad"' in page
    assert 'id="recipe-none"' in page
    assert "recipe-zammad" not in viewer.get("/receivers").text


def test_a_receiver_is_added_by_its_recipe(admin: Visitor, pbx: Pbx) -> None:
    """The next page connects extensions; secrets are shown nowhere."""
    assert add_zammad(admin).endswith("/receivers/zammad/connect")
    for path in ("/receivers", "/receivers/zammad", "/receivers/zammad/edit", "/activity"):
        page = admin.get(path).text
        assert "Zammad" in page
        assert TOKEN not in page


def test_answers_that_are_missing_or_wrong(admin: Visitor) -> None:
    """Each error is at its field, nothing is stored, and no secret is sent back."""
    admin.get("/receivers/new/zammad")
    fields = {"name": "", "answer-address": "ftp://help.example.com", "answer-token": TOKEN}
    page = admin.post("/receivers/new/zammad", **fields)
    assert page.status_code == 422
    assert "begin with http" in page.text
    assert TOKEN not in page.text
    assert db.session.query(ReceiverRow).count() == 0
    assert admin.get("/receivers/new/unknown").status_code == 404


def test_connecting_leads_to_the_users(admin: Visitor, pbx: Pbx) -> None:
    """If the recipe has them; it says whether the receiver refuses calls without."""
    for recipe, values in (
        ("espocrm", {"address": "https://espo.example.com", "key": "k"}),
        ("hubspot", {"token": "t"}),
        ("slack", {"url": "https://hooks.slack.com/services/T0"}),
    ):
        begin_write()
        create_receiver(make_receiver(get_recipe(recipe), values, recipe))
        db.session.commit()
    espocrm, hubspot, slack = (
        " ".join(admin.get(f"/receivers/{name}/connect/{pbx.slug}").text.split())
        for name in ("espocrm", "hubspot", "slack")
    )
    refused = "refuses the calls of an extension"
    assert f'<a href="/receivers/espocrm/users/{pbx.slug}">Users</a>' in espocrm
    assert "User ID in EspoCRM: enter it for each extension" in espocrm
    assert refused in espocrm
    assert f'<a href="/receivers/hubspot/users/{pbx.slug}">Users</a>' in hubspot
    assert refused not in hubspot
    assert "connect-users" not in slack


def test_extensions_are_connected_once(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Ticked extensions get the ticked requests; a second time nothing is made twice."""
    for number in ("101", "102", "103"):
        configure.extension(number)
    ids = [one.id for one in list_extensions(pbx)]
    page = "/receivers/zammad/connect/head-office"
    assert admin.get(add_zammad(admin)).location.endswith(page)
    admin.get(page)
    refused = admin.post(page, request=["new-call"])
    assert (refused.status_code, "Tick the extensions" in refused.text) == (422, True)
    for ticked, count in ((ids[:2], 2), (ids, 3)):
        answer = admin.client.post(
            page,
            data={"csrf_token": admin.token, "request": first_request(), "extension": ticked},
        )
        assert answer.status_code == 303, answer.text
        db.session.rollback()
        assert db.session.query(Hook).filter(Hook.receiver_id.is_not(None)).count() == count
    assert "101, 102, 103" in admin.get("/receivers/zammad").text


def first_request() -> str:
    """Return the name of a request of the recipe."""
    return get_recipe("zammad").requests[0].name


def test_disconnecting_can_be_undone(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """Undo returns to the receiver's page. With requests it cannot be removed; without it can."""
    configure.extension("101")
    connect_zammad(admin)
    assert admin.get("/receivers/zammad/remove").text.count("Disconnect its extensions first") == 1
    assert 'id="remove-receiver"' not in admin.get("/receivers/zammad").text
    assert admin.post("/receivers/zammad/remove").status_code == 409
    asked = admin.get("/receivers/zammad/disconnect/head-office").text
    assert "Clears 1 request of" in asked
    assert "You can undo this for 30 seconds." in asked
    answer = admin.post("/receivers/zammad/disconnect/head-office")
    assert answer.status_code == 303
    shown = admin.get("/receivers/zammad").text
    assert "1 request cleared." in shown
    undo = re.search(r'action="([^"]+/undo[^"]*)"', shown)
    assert undo
    undone = admin.post(html.unescape(undo[1]))
    assert (undone.status_code, undone.location) == (303, "/receivers/zammad")
    assert "1 request is back." in admin.get("/receivers/zammad").text
    admin.post("/receivers/zammad/disconnect/head-office")
    assert 'id="remove-receiver"' in admin.get("/receivers/zammad").text
    admin.get("/receivers/zammad/remove")
    assert admin.post("/receivers/zammad/remove").status_code == 303
    assert db.session.query(ReceiverRow).count() == 0


def test_another_address_moves_the_requests(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The secret has to be entered again, because it would go to another host."""
    configure.extension("101")
    connect_zammad(admin)
    edit = "/receivers/zammad/edit"
    admin.get(edit)
    fields = {"name": "Help", "answer-address": "https://desk.example.com"}
    assert admin.post(edit, **fields).status_code == 422
    answer = admin.post(edit, **fields, **{"answer-token": TOKEN})
    assert answer.status_code == 303, answer.text
    db.session.rollback()
    assert db.session.query(Hook).one().url.startswith("https://desk.example.com/")
    assert "1 request uses the new address" in admin.get("/receivers/zammad").text


def test_the_test_request_is_answered(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The dialog shows the answer of the receiver, or why there is none."""
    configure.extension("101")
    simulated = Zammad()
    with closing(listen(simulated)) as socket:
        add_zammad(admin, **{"answer-address": socket.url})
        admin.get("/receivers/zammad/test")
        page = admin.post("/receivers/zammad/test", pbx="head-office", extension="101").text
        assert "state-delivered" in page
        assert simulated.refused == []
        unknown = admin.post("/receivers/zammad/test", pbx="head-office", extension="999").text
        assert "state-delivered" not in unknown


def test_users_are_entered_imported_and_exported(
    admin: Visitor, pbx: Pbx, configure: Configure
) -> None:
    """As a table, and as CSV with the errors of each line."""
    for number in ("101", "102"):
        configure.extension(number)
    add_zammad(admin)
    page = "/receivers/zammad/users/head-office"
    admin.get(page)
    assert admin.post(page, **{"user-101": " ana@example.com ", "user-102": ""}).status_code == 303
    assert dict(list_users(stored(), pbx)) == {"101": "ana@example.com"}
    assert admin.get(f"{page}/export").text.splitlines()[1] == "101,ana@example.com"
    for content, status, text in (
        ("extension,user\n101,ana\n102,dan\n", 303, ""),
        ("101\n102,dan\n", 422, "Line 1: Needs two columns"),
        ("\xff", 422, ""),
    ):
        file = (BytesIO(content.encode("latin-1")), "users.csv")
        data = {"csrf_token": admin.token, "file": file}
        answer = admin.client.post(f"{page}/import", data=data)
        assert (answer.status_code, text in answer.text) == (status, True)
    assert dict(list_users(stored(), pbx)) == {"101": "ana", "102": "dan"}
    without = admin.client.post(f"{page}/import", data={"csrf_token": admin.token})
    assert "Choose a CSV file." in without.text
    fetched = admin.post(f"{page}/fetch")
    assert (fetched.status_code, "cannot fetch its users" in fetched.text) == (422, True)
    shown = admin.get(page).text
    assert shown.index('id="import-users"') < shown.index('id="users-form"')


@pytest.mark.parametrize("kind", [kind for kind in ReceiverAuth if kind is not ReceiverAuth.NONE])
def test_a_receiver_without_a_recipe(admin: Visitor, kind: ReceiverAuth) -> None:
    """Its credentials are asked for by kind, shown without the secrets, and kept."""
    page = "/receivers/new-address"
    admin.get(page)
    fields = {
        "name": "Own",
        "address": "https://crm.example.com/api",
        "auth": kind.value,
        "member-username": "ana",
        "member-password": "secret-4711",
        "member-token": "secret-4711",
        "member-scheme": "token",
        "member-secret": "secret-4711",
        "member-name": "X-Api-Key",
        "member-value": "secret-4711",
        "member-token_url": "https://crm.example.com/token?key=secret-4711",
        "member-client_id": "ours",
        "member-client_secret": "secret-4711",
        "member-refresh_token": "secret-4711",
    }
    missing = admin.post(page, name="Own", address="https://crm.example.com", auth=kind.value)
    assert missing.status_code == 422
    if kind is ReceiverAuth.CLIENT_CREDENTIALS:
        masked = admin.post(page, **{**fields, "member-token_url": "https://x.example/?key=••••"})
        assert (masked.status_code, "Enter the whole value." in masked.text) == (422, True)
    assert admin.post(page, **fields).status_code == 303
    assert stored().auth is kind
    shown = admin.get("/receivers/own/edit").text
    assert "secret-4711" not in shown
    kept = {"name": "Own 2", "address": "https://crm.example.com/api", "auth": kind.value}
    kept |= {
        f"member-{name}": value for name, value in shown_credentials(stored()).items() if value
    }
    assert admin.post("/receivers/own/edit", **kept, max_per_second="2.5").status_code == 303
    receiver = stored()
    assert (receiver.name, receiver.max_per_second) == ("Own 2", 2.5)
    url = Kept.of(receiver).credentials.get("token_url", fields["member-token_url"])
    assert url == fields["member-token_url"]
    assert None in shown_credentials(receiver).values()


def test_limits_are_numbers(admin: Visitor) -> None:
    """Anything else is an error at the field."""
    admin.get("/receivers/new/zammad")
    page = admin.post("/receivers/new/zammad", name="Z", max_in_flight="many", **ADDRESS)
    assert page.status_code == 422
    assert "Enter a number, or leave it empty." in page.text


def test_a_paused_receiver_is_tried_at_once(admin: Visitor, pbx: Pbx, configure: Configure) -> None:
    """The page says until when it is paused and why; the button makes the probe due."""
    configure.extension("101")
    connect_zammad(admin)
    begin_write()
    origin = db.session.query(Origin).one()
    now = utc_now()
    origin.opened_at, origin.probe_at = now, now + timedelta(hours=1)
    origin.error = "The connection was refused."
    db.session.commit()
    shown = admin.get("/receivers/zammad").text
    assert "paused" in shown
    assert "The connection was refused." in shown
    assert admin.post("/receivers/zammad/try-now").status_code == 303
    db.session.rollback()
    assert db.session.query(Origin).one().probe_at < now + timedelta(minutes=1)
    admin.post("/receivers/zammad/try-now")
    assert "is not paused" in admin.get("/receivers/zammad").text


def test_failed_deliveries_and_requests_are_linked(
    admin: Visitor, viewer: Visitor, pbx: Pbx, configure: Configure
) -> None:
    """Whoever may, sends failed ones again from there; others only see them."""
    configure.extension("101")
    connect_zammad(admin)
    shown = admin.get("/receivers/zammad").text
    for name in ("show-deliveries", "recover", "requests-of-head-office"):
        [link] = re.findall(rf'id="{name}"\s+href="([^"]+)"', shown)
        assert admin.get(html.unescape(link)).status_code == 200
    assert 'id="recover"' not in viewer.get("/receivers/zammad").text


def test_editing_keeps_what_is_shown_masked(admin: Visitor) -> None:
    """The address of a chat is its secret. Saving the form as it is shown does not lose it."""
    address = "https://example.logic.azure.com/invoke?sig=abcDEF123ghiJKL456mnoPQR"
    admin.get("/receivers/new/teams")
    fields = {"answer-url": address, "answer-zone": "UTC"}
    assert admin.post("/receivers/new/teams", name="Chat", **fields).status_code == 303
    page = admin.get("/receivers/chat/edit").text
    [shown] = re.findall(r'id="answer-url"[^>]* value="([^"]+)"', page)
    assert shown != address
    fields["answer-url"] = html.unescape(shown)
    saved = admin.post("/receivers/chat/edit", name="Chats", max_per_second="1", **fields)
    assert saved.status_code == 303
    receiver = stored()
    assert (receiver.name, receiver.address) == ("Chats", address)
    fields["answer-url"] += "2"
    refused = admin.post("/receivers/chat/edit", name="Chats", **fields)
    assert (refused.status_code, "Enter the whole value." in refused.text) == (422, True)
    assert stored().address == address


def test_an_address_that_is_shown_masked(admin: Visitor) -> None:
    """The same without a recipe; optional values can be removed."""
    address = "https://hooks.zapier.com/hooks/catch/123456/abcdef"
    page = "/receivers/new-address"
    admin.get(page)
    fields = {
        "address": address,
        "auth": "client-credentials",
        "member-token_url": "https://hooks.zapier.com/token",
        "member-client_id": "ours",
        "member-scope": "calls",
    }
    assert (
        admin.post(page, name="Own", **fields, **{"member-client_secret": "s"}).status_code == 303
    )
    shown = admin.get("/receivers/own/edit").text
    [masked] = re.findall(r'id="address"[^>]* value="([^"]+)"', shown)
    fields |= {"address": html.unescape(masked), "member-scope": ""}
    assert admin.post("/receivers/own/edit", name="Own", **fields).status_code == 303
    receiver = stored()
    assert receiver.address == address
    assert shown_credentials(receiver).get("scope") in {None, ""}
    fields["address"] += "x"
    assert admin.post("/receivers/own/edit", name="Own", **fields).status_code == 422

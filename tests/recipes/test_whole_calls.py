"""Calls of a ring group arrive at simulated receivers as the real ones demand, once."""

from sqlalchemy import select

from callevents.db.models import Delivery
from callevents.enums import DeliveryState
from callevents.extensions import db
from tests.recipes.conftest import CALLER, Line
from tests.recipes.simulated.bitrix24 import USERS, Bitrix24
from tests.recipes.simulated.frappe import Frappe
from tests.recipes.simulated.hubspot import HubSpot
from tests.recipes.simulated.kommo import Kommo
from tests.recipes.simulated.mattermost import Mattermost
from tests.recipes.simulated.ntfy import Ntfy
from tests.recipes.simulated.odoo import Odoo
from tests.recipes.simulated.pipedrive import Pipedrive
from tests.recipes.simulated.slack import Slack
from tests.recipes.simulated.teams import Teams
from tests.recipes.simulated.telegram import Telegram
from tests.recipes.simulated.zammad import Zammad
from tests.recipes.simulated.zendesk import Zendesk
from tests.recipes.simulated.zoho import Zoho
from tests.support.waiting import wait_until


def find_errors() -> dict[DeliveryState, list[str]]:
    """Return the reasons of deliveries that were not delivered, by state."""
    db.session.rollback()
    found: dict[DeliveryState, list[str]] = {}
    for delivery in db.session.scalars(select(Delivery).order_by(Delivery.id)):
        if delivery.state is not DeliveryState.DELIVERED:
            found.setdefault(delivery.state, []).append(delivery.error)
    return found


def test_zammad_has_one_entry_for_a_ring_group(line: Line) -> None:
    """Five phones ring and one answers: one line in the caller log, done, with a cause."""
    zammad = Zammad()
    line.connect("zammad", zammad, {"103": "emma"})
    line.ring_group(answers="103")
    wait_until(
        lambda: "c1" in zammad.log and zammad.log["c1"].state == "hangup", "the end of the call"
    )
    [entry] = zammad.log.values()
    assert (entry.direction, entry.from_number, entry.user) == ("in", CALLER, "emma")
    assert (entry.comment, entry.is_done) == ("normalClearing", True)
    assert zammad.refused == []


def test_zammad_marks_a_missed_call(line: Line) -> None:
    """Nobody answers: the entry is not done."""
    zammad = Zammad()
    line.connect("zammad", zammad)
    line.ring_group()
    wait_until(
        lambda: "c1" in zammad.log and zammad.log["c1"].state == "hangup", "the end of the call"
    )
    assert (zammad.log["c1"].comment, zammad.log["c1"].is_done) == ("noAnswer", False)
    assert zammad.refused == []


def test_bitrix24_gets_its_call_id_back_with_the_user(line: Line) -> None:
    """`finish` has the CALL_ID of `register`, and the user who answered."""
    bitrix = Bitrix24()
    line.connect("bitrix24", bitrix, bitrix.users)
    line.ring_group(answers="104")
    wait_until(lambda: any(call.duration is not None for call in bitrix.calls.values()), "the end")
    [call] = bitrix.calls.values()
    assert (call.phone_number, call.kind, call.shown_to) == (CALLER, 2, [USERS["101"]])
    assert (call.finished_by, call.duration, call.status) == (USERS["104"], 42, "200")
    assert bitrix.refused == []


def test_slack_gets_missed_external_calls_only(line: Line) -> None:
    """In the zone of the answers; the others are skipped, and say why."""
    slack = Slack()
    line.connect("slack", slack)
    line.ring_group(answers="102")
    line.report("dialin", "101", call="c2", peer="105")
    line.report("hangup", "101", call="c2", peer="105", cause=19)
    missed = {"call": "c3", "caller_name": "<!channel>"}
    line.report("dialin", "101", at="2026-03-01T22:29:25Z", **missed)
    line.report("hangup", "101", at="2026-03-01T22:30:15Z", cause=19, **missed)
    wait_until(lambda: bool(slack.messages), "the message")
    wait_until(lambda: len(find_errors().get(DeliveryState.SKIPPED, [])) == 2, "what is skipped")
    [message] = slack.messages
    assert message == f"Missed call from {CALLER} <!channel> to 101, 2026-03-02 00:30"
    assert sorted(find_errors()[DeliveryState.SKIPPED]) == [
        "Skipped: the call was answered.",
        "Skipped: the call was internal.",
    ]


def test_crms_log_a_call_once(line: Line) -> None:
    """HubSpot, Pipedrive and Kommo accept the entry of an answered call."""
    hubspot, pipedrive, kommo = HubSpot(), Pipedrive(), Kommo()
    line.connect("hubspot", hubspot, {"103": "701"})
    line.connect("pipedrive", pipedrive, {"103": "12"})
    line.connect("kommo", kommo, {"103": "8375357"})
    line.ring_group(answers="103")
    wait_until(lambda: bool(hubspot.calls and pipedrive.call_logs and kommo.calls), "three entries")
    [call], [log], [entry] = hubspot.calls, pipedrive.call_logs, kommo.calls
    assert (call["hs_call_status"], call["hubspot_owner_id"]) == ("COMPLETED", "701")
    assert (log["outcome"], log["user_id"]) == ("connected", 12)
    assert (entry["call_status"], entry["responsible_user_id"]) == (4, 8375357)
    assert hubspot.refused + pipedrive.refused + kommo.refused == []


def test_zoho_gets_each_state_with_a_fetched_token(line: Line) -> None:
    """The access token comes from the refresh token; each state of the call arrives, in order."""
    zoho = Zoho()
    line.connect("zoho-phonebridge", zoho, zoho.users)
    line.ring_group(answers="102")
    wait_until(lambda: "ended" in zoho.calls.get("c1", []), "the end of the call")
    assert zoho.calls == {"c1": ["ringing", "answered", "ended"]}
    assert (zoho.issued, zoho.refused) == (1, [])


def test_chats_show_the_caller_and_mention_nobody(line: Line) -> None:
    """Mattermost, Teams, Telegram and ntfy show a missed call, with a hostile name as text."""
    mattermost, teams, telegram, ntfy = Mattermost(), Teams(), Telegram(), Ntfy()
    line.connect("mattermost", mattermost)
    line.connect("teams", teams)
    line.connect("telegram", telegram)
    line.connect("ntfy", ntfy)
    missed = {"call": "c1", "caller_name": "@all [a](http://b)"}
    line.report("dialin", "101", at="2026-03-01T22:29:25Z", **missed)
    line.report("hangup", "101", at="2026-03-01T22:30:15Z", cause=19, **missed)
    wait_until(
        lambda: bool(mattermost.posts and teams.cards and telegram.texts and ntfy.messages),
        "four messages",
    )
    [post], [card] = mattermost.posts, teams.cards
    [text], [message] = telegram.texts, ntfy.messages
    caller = f"{CALLER} @all [a](http://b)"
    [attachment] = post["attachments"]
    assert (attachment["author_name"], mattermost.mentions) == (caller, [])
    assert attachment["text"] == "to 101, 2026-03-02 00:30"
    assert card == ["Missed call", f"{caller} to 101, 2026-03-02 00:30"]
    assert text == f"Missed call from {caller} to 101"
    assert (message["title"], message["message"]) == ("Missed call", f"{caller} to 101")
    assert mattermost.refused + teams.refused + telegram.refused + ntfy.refused == []


def test_records_of_a_call_are_made_once(line: Line) -> None:
    """Zendesk, Frappe and Odoo accept what the call of a ring group becomes, with its user."""
    zendesk, frappe, odoo = Zendesk(), Frappe(), Odoo()
    for name, simulated in (("zendesk", zendesk), ("frappe", frappe), ("odoo", odoo)):
        line.connect(name, simulated, simulated.users)
    line.ring_group(answers="103")
    line.report("dialin", "101", call="c2")
    line.report("hangup", "101", call="c2", cause=19)
    wait_until(lambda: len(zendesk.calls) == len(frappe.logs) == 2, "two calls each")
    wait_until(lambda: bool(odoo.records["crm.lead"]), "the lead")
    agents = {call["call_disposition"]: call["agent_id"] for call in zendesk.calls}
    assert agents == {"answered": 1271, "missed": 1269}
    log, missed = frappe.logs["c1"], frappe.logs["c2"]
    assert (log["receiver"], log["status"], log["duration"]) == ("mia@example.com", "Completed", 42)
    assert (missed["receiver"], missed["status"]) == ("emma@example.com", "No Answer")
    assert odoo.records["crm.lead"] == [
        {"name": f"Missed call from {CALLER}", "phone": CALLER, "contact_name": ""}
    ]
    assert zendesk.refused + frappe.refused + odoo.refused == []

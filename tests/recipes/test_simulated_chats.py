"""The simulated chats and notifications refuse what the real ones refuse."""

import json
from typing import Any

import pytest

from tests.recipes.simulated import mattermost, ntfy, teams, telegram
from tests.recipes.simulated.base import post
from tests.recipes.simulated.mattermost import Mattermost
from tests.recipes.simulated.ntfy import Ntfy
from tests.recipes.simulated.teams import Teams
from tests.recipes.simulated.telegram import Telegram
from tests.support.receiver import Arrival

BEARER = f"Bearer {ntfy.TOKEN}"
MESSAGE = {"topic": ntfy.TOPIC, "message": "Missed call"}
SEND = f"/bot{telegram.TOKEN}/sendMessage"
TEXT = {"chat_id": telegram.CHAT_ID, "text": "Missed call"}


def test_mattermost_refuses_unknown_hooks_and_empty_posts() -> None:
    """With 400 and the ID of the error; other methods have no route."""
    found = Mattermost()
    for path, body, status, error in (
        ("/hooks/abc", {"text": "x"}, 400, "web.incoming_webhook.invalid.app_error"),
        (mattermost.PATH, {}, 400, "web.incoming_webhook.text.app_error"),
        (mattermost.PATH, ["x"], 400, "model.incoming_hook.parse_data.app_error"),
        (mattermost.PATH, {"text": 1}, 400, "model.incoming_hook.parse_data.app_error"),
        (mattermost.PATH, {"attachments": ["x"]}, 400, "model.incoming_hook.parse_data.app_error"),
        (mattermost.PATH, {"attachments": [{"text": 1}]}, 400, "model.incoming_hook.parse_data"),
        ("/api/v4/posts", {"text": "x"}, 404, "api.context.404.app_error"),
    ):
        reply = post(found, path, body)
        assert reply.status == status, body
        assert json.loads(reply.body)["id"].startswith(error), body
    assert found(Arrival("GET", mattermost.PATH, {}, "")).status == 404
    assert found.posts == []


def test_mattermost_mentions_users_in_texts_only() -> None:
    """Not in the name of an author, in which our recipe has the caller."""
    found = Mattermost()
    attachment = {"author_name": "@here", "text": "to @ana", "pretext": "@all"}
    reply = post(found, mattermost.PATH, {"text": "Missed @channel", "attachments": [attachment]})
    assert (reply.status, reply.body) == (200, b"ok")
    assert found.mentions == ["@channel", "@all", "@ana"]


def make_card(content_type: str = teams.CARD, **changes: Any) -> dict[str, Any]:
    """Return a message with a card."""
    runs = [{"type": "TextRun", "text": "Ana to 101"}]
    body = [
        {"type": "TextBlock", "text": "Missed call", "weight": "Bolder"},
        {"type": "RichTextBlock", "inlines": runs},
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": body, **changes}
    return {"type": "message", "attachments": [{"contentType": content_type, "content": card}]}


def test_teams_refuses_requests_without_its_signature() -> None:
    """Also another one, and another workflow."""
    found = Teams()
    assert post(found, teams.URL, make_card()).status == 202
    assert found.cards == [["Missed call", "Ana to 101"]]
    assert post(found, teams.PATH, make_card()).status == 401
    assert post(found, f"{teams.PATH}?sig=wrong", make_card()).status == 401
    assert post(found, "/workflows/other?sig=x", make_card()).status == 404
    assert len(found.cards) == 1


@pytest.mark.parametrize(
    "message",
    [
        "text=Missed",
        {"text": "Missed call"},
        {"type": "message", "attachments": []},
        make_card("application/vnd.microsoft.card.hero"),
        make_card(type="Card"),
        make_card(version=None),
        make_card(version="1.9"),
        make_card(body=[]),
        make_card(body=[{"type": "Text", "text": "x"}]),
        make_card(body=[{"type": "TextBlock"}]),
        make_card(body=[{"type": "TextBlock", "text": "x", "weight": "Bold"}]),
        make_card(body=[{"type": "RichTextBlock"}]),
        make_card(body=[{"type": "RichTextBlock", "inlines": [{"type": "TextRun"}]}]),
        make_card(body=[{"type": "RichTextBlock", "inlines": [{"type": "Run", "text": "x"}]}]),
        make_card(body=[{"type": "TextBlock", "text": "x" * teams.MAX_BYTES}]),
    ],
)
def test_runs_of_teams_fail_after_the_response(message: Any) -> None:
    """A message without a valid card is accepted, and not shown."""
    found = Teams()
    assert post(found, teams.URL, message).status == 202
    assert (found.cards, len(found.refused)) == ([], 1)


@pytest.mark.parametrize(
    ("path", "change", "status", "description"),
    [
        ("/bot1:wrong/sendMessage", {}, 401, "Unauthorized"),
        ("/botwrong/sendMessage", {}, 401, "Unauthorized: invalid token specified"),
        ("/sendMessage", {}, 404, "Not Found"),
        (f"/bot{telegram.TOKEN}/send", {}, 404, "Not Found: method not found"),
        (SEND, {"text": " "}, 400, "Bad Request: message text is empty"),
        (SEND, {"text": "x" * 4097}, 400, "Bad Request: message is too long"),
        (SEND, {"chat_id": ""}, 400, "Bad Request: chat_id is empty"),
        (SEND, {"chat_id": "-5"}, 400, "Bad Request: chat not found"),
        (SEND, {"parse_mode": "text"}, 400, "Bad Request: unsupported parse_mode"),
        (SEND, {"link_preview_options": True}, 400, "Bad Request: object expected"),
        (SEND, {"link_preview_options": {"is_disabled": "yes"}}, 400, "is_disabled"),
    ],
)
def test_telegram_refuses_invalid_messages(
    path: str, change: dict[str, Any], status: int, description: str
) -> None:
    """With a description; a form is as good as JSON, other types are not read."""
    found = Telegram()
    assert post(found, SEND.replace(":", "%3A"), TEXT).status == 200
    assert post(found, SEND, f"chat_id={telegram.CHAT_ID}&text=Missed").status == 200
    reply = post(found, path, {**TEXT, **change})
    assert reply.status == status
    assert json.loads(reply.body)["description"].startswith(description)
    assert post(found, SEND, TEXT, Content_Type="text/plain").status == 400
    assert found.texts == ["Missed call", "Missed"]


@pytest.mark.parametrize(
    ("message", "authorization", "code"),
    [
        (MESSAGE, "Bearer wrong", 40101),
        (MESSAGE, "", 40301),
        ({**MESSAGE, "topic": "other"}, BEARER, 40301),
        ({**MESSAGE, "topic": "a topic"}, BEARER, 40009),
        ({"message": "Missed call"}, BEARER, 40009),
        ({**MESSAGE, "topic": "docs"}, BEARER, 40010),
        ({**MESSAGE, "priority": 6}, BEARER, 40007),
        ({**MESSAGE, "priority": "4"}, BEARER, 40024),
        ({**MESSAGE, "tags": "telephone"}, BEARER, 40024),
        ({**MESSAGE, "tags": [1]}, BEARER, 40024),
        ([MESSAGE], BEARER, 40024),
        ({**MESSAGE, "message": "x" * ntfy.MAX_BYTES}, BEARER, 41303),
    ],
)
def test_ntfy_refuses_invalid_messages(message: Any, authorization: str, code: int) -> None:
    """With its own code; messages in JSON go to the root."""
    found = Ntfy()
    assert post(found, "/", MESSAGE, Authorization=BEARER).status == 200
    assert post(found, "/publish", MESSAGE, Authorization=BEARER).status == 404
    reply = post(found, "/", message, Authorization=authorization)
    assert (reply.status, json.loads(reply.body)["code"]) == (code // 100, code)
    assert [one["message"] for one in found.messages] == ["Missed call"]

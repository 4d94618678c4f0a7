"""A simulated Bot API of Telegram: `sendMessage`.

From tdlib/telegram-bot-api: HttpConnection.cpp (path), ClientManager.cpp (form of a token),
Client.cpp (process_send_message_query, get_formatted_text, get_link_preview_options, check_chat,
fail_query_with_error) and Query.h (body of an error); and tdlib/td, tdnet/td/net/HttpReader.cpp
(content types). The length of a text is that of the sources of the recipe.
"""

from typing import Any, ClassVar
from urllib.parse import unquote

from tests.recipes.simulated.base import (
    FORM,
    Refused,
    Simulated,
    as_json,
    check_types,
    is_json,
    parse_object,
    read_form,
    read_kind,
)
from tests.support.receiver import Arrival, Reply

TOKEN = "123456:AAF-k3v9x1q7w5z2m8r4t6y0u1i3o5p7a9s"
CHAT_ID = "-1001234567890"
MAX_TEXT = 4096
PARSE_MODES = {"", "none", "markdown", "markdownv2", "html"}


class Telegram(Simulated):
    """Keeps the texts that it sent to the chat."""

    answers: ClassVar = {"address": "URL", "token": TOKEN, "chat_id": CHAT_ID}

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def answer(self, arrival: Arrival) -> Reply:
        """Return the message that was sent."""
        path = unquote(arrival.path)
        token, _, method = path.removeprefix("/bot").partition("/")
        if not path.startswith("/bot") or not method or arrival.method not in {"GET", "POST"}:
            raise _refuse("Not Found", 404)
        if ":" not in token or not token.partition(":")[0].isdigit():
            raise _refuse("Unauthorized: invalid token specified", 401)
        if token != TOKEN:
            raise _refuse("Unauthorized", 401)
        if method.lower() != "sendmessage":
            raise _refuse("Not Found: method not found", 404)
        text = _check_message(_read(arrival))
        self.texts.append(text)
        message = {"message_id": len(self.texts), "chat": {"id": int(CHAT_ID)}, "text": text}
        return as_json({"ok": True, "result": message})


def _read(arrival: Arrival) -> dict[str, Any]:
    """Return the parameters; those in a body of another type are not read."""
    if is_json(arrival):
        return parse_object(arrival, lambda _problem: _refuse("Bad Request: can't parse JSON"))
    return dict(read_form(arrival)) if read_kind(arrival) in {"", FORM} else {}


def _check_message(fields: dict[str, Any]) -> str:
    text = str(fields.get("text", "")).strip()
    options = fields.get("link_preview_options", {})
    if not isinstance(options, dict):
        raise _refuse("Bad Request: object expected as link preview options")
    check_types(options, {"is_disabled": bool, "url": str}, _refuse)
    if not text:
        raise _refuse("Bad Request: message text is empty")
    if str(fields.get("parse_mode", "")).lower() not in PARSE_MODES:
        raise _refuse("Bad Request: unsupported parse_mode")
    chat_id = str(fields.get("chat_id", ""))
    if not chat_id:
        raise _refuse("Bad Request: chat_id is empty")
    if chat_id != CHAT_ID:
        raise _refuse("Bad Request: chat not found")
    if len(text) > MAX_TEXT:
        raise _refuse("Bad Request: message is too long")
    return text


def _refuse(description: str, status: int = 400) -> Refused:
    return Refused(status, {"ok": False, "error_code": status, "description": description})

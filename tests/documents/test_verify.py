"""The code of docs/verify.md, as it stands there, run by each language on real requests."""

import base64
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from callevents.db.models import Pbx, utc_now
from callevents.db.session import begin_write
from callevents.delivery.engine import Engine
from callevents.delivery.request.signing import Signing
from callevents.enums import BodyFormat, EventType, Method
from callevents.extensions import db
from callevents.hooks import hooks, queries, signing_secret
from callevents.hooks.options import HookOptions
from callevents.ingest.accept import accept
from callevents.ingest.report import Report
from tests.support.receiver import Arrival, Receiver

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "verify.md"
SNIPPETS = dict(re.findall(r"^```(python|php|js)\n(.*?)^```$", DOCUMENT.read_text(), re.M | re.S))


@dataclass(frozen=True)
class Language:
    """How to run a snippet: the command, and what reads the questions and prints the answers."""

    name: str
    command: tuple[str, ...]
    before: str
    after: str


PYTHON = Language(
    "python",
    (sys.executable, "-"),
    "",
    """
import json
for one in json.loads(QUESTIONS):
    print(is_genuine(one["secret"], one["headers"], base64.b64decode(one["body"])))
""",
)
PHP = Language(
    "php",
    ("php",),
    "<?php\n",
    """
foreach (json_decode(QUESTIONS, true) as $one) {
    echo is_genuine($one['secret'], $one['headers'], base64_decode($one['body']))
        ? "True\\n" : "False\\n";
}
""",
)
NODE = Language(
    "js",
    ("node", "-"),
    "",
    """
for (const one of JSON.parse(QUESTIONS)) {
  const genuine = isGenuine(one.secret, one.headers, Buffer.from(one.body, "base64"));
  console.log(genuine ? "True" : "False");
}
""",
)
LANGUAGES = [
    pytest.param(PYTHON, id="python"),
    pytest.param(PHP, id="php", marks=pytest.mark.other_languages),
    pytest.param(NODE, id="node", marks=pytest.mark.other_languages),
]
Question = dict[str, object]


def question(secret: str, headers: dict[str, str], body: bytes) -> Question:
    """Return what a verifier is asked."""
    lower = {name.lower(): value for name, value in headers.items()}
    return {"secret": secret, "headers": lower, "body": base64.b64encode(body).decode()}


def ask(language: Language, questions: list[Question]) -> list[bool]:
    """Return the answers that the document's code gives."""
    # Base64 reads the same in each language's quotes.
    encoded = base64.b64encode(json.dumps(questions).encode()).decode()
    decode = {
        "python": "base64.b64decode('{}')",
        "php": "base64_decode('{}')",
        "js": "Buffer.from('{}', 'base64').toString()",
    }[language.name].format(encoded)
    program = language.before + SNIPPETS[language.name]
    program += language.after.replace("QUESTIONS", decode)
    done = subprocess.run(
        language.command, input=program, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return [line == "True" for line in done.stdout.splitlines()]


def deliver(pbx: Pbx, receiver: Receiver, engine: Engine) -> Arrival:
    """Deliver one event of all extensions; return what arrived."""
    begin_write()
    accept(pbx, [Report(event_type=EventType.DIAL_IN, extension="101", caller_name="Zoë")])
    db.session.commit()
    before = len(receiver.arrivals)
    engine.drain()
    return receiver.wait_for(before + 1)[-1]


@pytest.fixture
def secret(pbx: Pbx, receiver: Receiver) -> str:
    """The secret of a hook that posts JSON to the receiver."""
    begin_write()
    hook = hooks.create_hook(
        pbx,
        None,
        EventType.DIAL_IN,
        hooks.HookData(
            method=Method.POST, url=receiver.url, options=HookOptions(body_format=BodyFormat.JSON)
        ),
    )
    secret = signing_secret.rotate_secret(hook)
    db.session.commit()
    return secret


@pytest.mark.parametrize("language", LANGUAGES)
def test_delivery_is_accepted_and_nothing_else(
    language: Language, pbx: Pbx, receiver: Receiver, engine: Engine, secret: str
) -> None:
    """A delivered request verifies; one that differs in any byte that is signed does not."""
    engine.start()
    arrival = deliver(pbx, receiver, engine)
    headers, body = arrival.headers, arrival.body.encode()
    assert "Zoë" in arrival.body
    changed = [
        *(
            body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            for at in (0, len(body) // 2, len(body) - 1)
        ),
        body + b" ",
        body[:-1],
        b"",
    ]
    later = str(int(headers["webhook-timestamp"]) + 1)
    wrong = [
        *(question(secret, headers, one) for one in changed),
        question(secret, headers | {"webhook-id": headers["webhook-id"] + "0"}, body),
        question(secret, headers | {"webhook-timestamp": later}, body),
        question(secret, headers | {"webhook-timestamp": "now"}, body),
        question(secret, headers | {"webhook-signature": "v1,"}, body),
        question(secret, {}, body),
        question("whsec_" + base64.b64encode(b"x" * 32).decode(), headers, body),
    ]
    answers = ask(language, [question(secret, headers, body), *wrong])
    assert answers == [True] + [False] * len(wrong)


@pytest.mark.parametrize("language", LANGUAGES)
def test_old_requests_are_refused(language: Language) -> None:
    """A genuine request that is sent again after five minutes is refused, and from the future."""
    secret = "whsec_" + base64.b64encode(b"y" * 32).decode()
    questions = [
        question(secret, Signing("d1", secret).headers("", utc_now() + timedelta(seconds=off)), b"")
        for off in (0, -200, 200, -400, 400)
    ]
    assert ask(language, questions) == [True, True, True, False, False]


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_secrets_verify_during_rotation(
    language: Language, pbx: Pbx, receiver: Receiver, engine: Engine, secret: str
) -> None:
    """While a secret is renewed, receivers with the old and with the new one accept."""
    begin_write()
    [hook] = queries.list_all_hooks()
    new = signing_secret.rotate_secret(hook)
    db.session.commit()
    engine.start()
    arrival = deliver(pbx, receiver, engine)
    body = arrival.body.encode()
    questions = [question(one, arrival.headers, body) for one in (secret, new)]
    assert ask(language, questions) == [True, True]

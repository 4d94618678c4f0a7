"""Hook options by command: options, secrets from standard input, encryption keys."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from callevents.config.settings import Settings
from callevents.db.models import Hook, Pbx
from callevents.db.session import begin_write
from callevents.delivery.request.load import read_template
from callevents.enums import AuthKind
from callevents.extensions import cipher, db
from callevents.hooks import queries
from callevents.security.encryption import Cipher, is_key, make_key
from tests.cli.conftest import Run
from tests.cli.test_commands import check_failure

SET = ("hooks", "set", "head-office", "*", "dial-in", "--url", "http://a/")
Response = Callable[..., Any]


def stored(event_id: str) -> Hook:
    """Return the hook as it is stored."""
    db.session.rollback()
    return queries.get_hook(event_id)


def test_options_are_set_and_listed_without_secrets(run: Run, answer: Response, pbx: Pbx) -> None:
    """Every option is stored; the list shows header names and authentication, but no secret."""
    made = answer(
        *SET,
        *("--give-up-after", "5m", "--no-order", "--body", "json", "--parameters", "voipnow"),
        *("--header", "X-Key: abc:d", "--header", "X-Call:{CallID}", "--basic", "ana:pa:ss"),
    )
    expected = {
        "give_up_after": "5m",
        "in_order": False,
        "body": "json",
        "parameters": "voipnow",
        "headers": ["X-Key", "X-Call"],
        "auth": "basic",
        "signed": False,
    }
    assert {name: made[name] for name in expected} == expected
    [listed] = answer("hooks", "list")
    assert {name: listed[name] for name in expected} == expected
    # The ID is random, and may have these letters.
    shown = json.dumps([one | {"event_id": ""} for one in (made, listed)])
    assert not any(secret in shown for secret in ("abc", "ana", "pa:ss"))
    template = read_template(stored(made["event_id"]), cipher.bound)
    assert template.custom_headers == [("X-Key", "abc:d"), ("X-Call", "{CallID}")]
    assert (template.auth, template.username, template.secret) == (AuthKind.BASIC, "ana", "pa:ss")
    again = answer(*SET)
    assert again["event_id"] == made["event_id"]
    assert (again["headers"], again["auth"], again["give_up_after"]) == ([], "none", "24h")


def test_secrets_come_from_standard_input(answer: Response, pbx: Pbx) -> None:
    """A dash reads the next line of standard input, which keeps secrets out of the history."""
    made = answer(*SET, "--header", "X-Key: -", "--bearer", "-", input="first\r\nsecond\n")
    template = read_template(stored(made["event_id"]), cipher.bound)
    assert (template.custom_headers, template.secret) == ([("X-Key", "first")], "second")
    made = answer(*SET, "--basic", "ana:-", input="pass\n")
    template = read_template(stored(made["event_id"]), cipher.bound)
    assert (template.username, template.secret) == ("ana", "pass")


def test_signing(run: Run, answer: Response, pbx: Pbx) -> None:
    """A new secret is printed once, kept by another --sign, rotated, and removed."""
    result = run(*SET, "--sign")
    event_id, sentence, secret = result.stdout.splitlines()
    assert sentence == "Signing secret, shown only once:"
    assert secret.startswith("whsec_")
    token = stored(event_id).signing_secret
    assert cipher.bound.decrypt(token) == secret
    assert "signing_secret" not in answer(*SET, "--sign")
    rotated = answer("hooks", "rotate-secret", event_id)
    assert rotated["signing_secret"].startswith("whsec_")
    assert rotated["signing_secret"] != secret
    hook = stored(event_id)
    assert (rotated["signed"], hook.previous_signing_secret) == (True, token)
    assert answer(*SET)["signed"] is False
    hook = stored(event_id)
    assert (hook.signing_secret, hook.previous_signing_secret) == ("", "")
    assert hook.previous_secret_until is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--header", "Host: x", "--bearer", "a b"),
            "header 1: The header Host cannot be set here: it is derived from the URL.\n"
            "token: The token must be printable ASCII characters without spaces.",
        ),
        (("--basic", "ana"), "password: Enter the password."),
    ],
)
def test_wrong_values(run: Run, pbx: Pbx, options: tuple[str, ...], sentence: str) -> None:
    """The messages of invalid values are printed."""
    check_failure(run(*SET, *options), sentence)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--header", "s3cret"), "--header needs a name and a value: 'X-Api-Key: abc'."),
        (
            ("--basic", "a:b", "--bearer", "c"),
            "--basic, --bearer, --scheme and --auth-of-receiver cannot be used together.",
        ),
    ],
)
def test_wrong_options(run: Run, pbx: Pbx, options: tuple[str, ...], sentence: str) -> None:
    """The messages of malformed options never contain a possible secret."""
    result = run(*SET, *options)
    assert result.exit_code == 2
    assert sentence in result.stderr
    assert "s3cret" not in result.stderr


def test_keys_are_made(run: Run) -> None:
    """The printed key is valid."""
    assert is_key(run("secrets", "make-key").stdout.strip())


def test_rotating_the_key_in_the_data_folder(
    run: Run, answer: Response, pbx: Pbx, settings: Settings
) -> None:
    """All secrets are re-encrypted with a new key, and the previous key is kept."""
    event_id = answer(*SET, "--bearer", "token", "--sign")["event_id"]
    before = stored(event_id).auth_secret
    [old] = settings.read_encryption_keys()
    assert run("secrets", "rotate").stdout == "Re-encrypted the secrets of 1 request.\n"
    new, kept = settings.read_encryption_keys()
    assert (kept, stored(event_id).auth_secret != before) == (old, True)
    only_new = Cipher(lambda: [new])
    assert read_template(stored(event_id), only_new).secret == "token"
    run("secrets", "rotate")
    assert settings.read_encryption_keys()[1:] == (new,)


def test_rotating_names_unreadable_secrets(
    app: Flask, run: Run, answer: Response, pbx: Pbx, settings: Settings
) -> None:
    """Unreadable secrets are named, all others re-encrypted, and no key is dropped."""
    lost = answer(*SET, "--bearer", "one")["event_id"]
    answer(*SET, "--bearer", "two", "--add")
    begin_write()
    queries.get_hook(lost).auth_secret = Cipher(lambda: [make_key()]).encrypt("x")
    db.session.commit()
    assert answer("secrets", "rotate") == {"renewed": 1, "unreadable": [lost]}
    sentence = f"Could not decrypt the secrets of: {lost}. Enter them again."
    assert sentence in run("secrets", "rotate").stdout
    assert len(settings.read_encryption_keys()) == 3

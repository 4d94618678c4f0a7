"""The user map: CSV with errors by line, and what differs is recorded."""

from pathlib import Path

import pytest
from sqlalchemy import select

from callevents.audit import Action
from callevents.csv_rows import decode
from callevents.db.models import AuditEntry, Pbx
from callevents.db.session import begin_write
from callevents.delivery.http.client import Response
from callevents.errors import ConflictError, InvalidError
from callevents.extensions import db
from callevents.receivers import recipe_files, users
from callevents.receivers.fetching import fetch_users, read_response
from callevents.receivers.recipes import RecipeUsers
from tests.receivers.conftest import RECIPE, AddReceiver

FETCH = RecipeUsers(
    label="User ID",
    fetch_path="/users",
    fetch_items="/result/0",
    fetch_number="/phone~1inner",
    fetch_user="/ID",
)


def test_maps_are_replaced_for_one_pbx(add_receiver: AddReceiver, pbx: Pbx, other_pbx: Pbx) -> None:
    """What differs is stored and recorded, once; that of another PBX stays."""
    receiver = add_receiver()
    begin_write()
    users.replace_users(receiver, other_pbx, {"101": "other"})
    assert users.replace_users(receiver, pbx, {"102": "bo", "101": "anna"}) == 2
    db.session.commit()
    begin_write()
    assert users.replace_users(receiver, pbx, {"101": "anna", "103": "eva"}) == 2
    assert users.replace_users(receiver, pbx, {"101": "anna", "103": "eva"}) == 0
    users.replace_users(receiver, pbx, {"101": "anna", "103": "eva", "104": "jo"})
    users.replace_users(receiver, pbx, {"101": "anna", "104": "jo"})
    db.session.commit()
    assert users.list_users(receiver, pbx) == {"101": "anna", "104": "jo"}
    assert users.list_users(receiver, other_pbx) == {"101": "other"}
    query = select(AuditEntry).where(AuditEntry.action == Action.RECEIVER_USERS_CHANGED)
    found = db.session.scalars(query.order_by(AuditEntry.id)).all()
    assert [(one.before, one.after) for one in found[2:4]] == [
        ({"head-office 102": "bo"}, {"head-office 103": "eva"}),
        ({}, {"head-office 104": "jo"}),
    ]


def test_a_large_map_is_replaced(add_receiver: AddReceiver, pbx: Pbx) -> None:
    """Also one with more entries than a statement has parameters."""
    receiver = add_receiver()
    begin_write()
    users.replace_users(receiver, pbx, {str(n): f"user-{n}" for n in range(3000)})
    assert users.replace_users(receiver, pbx, {"1": "user-1"}) == 2999
    db.session.commit()
    assert users.list_users(receiver, pbx) == {"1": "user-1"}


@pytest.mark.parametrize(
    "text",
    [
        "extension,user\n101,anna@example.com\n102,7\n",
        "101;anna@example.com\r\n102;7",
        "\ufeffExtension\tUser\n101\tanna@example.com\n\n102\t7\n",
        '"101","anna@example.com"\n "102" , 7 \n'.replace(' "102" , 7 ', '"102", 7'),
    ],
)
def test_csv_is_read_as_people_write_it(text: str) -> None:
    """With or without a header, with any usual separator and line end."""
    assert users.parse_users(text) == {"101": "anna@example.com", "102": "7"}


def test_encodings() -> None:
    """Files of older spreadsheets are read too."""
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        text = decode("extension,user\n101,Müller".encode(encoding), field="users")
        assert users.parse_users(text) == {"101": "Müller"}


def test_what_is_written_is_read(app: object) -> None:
    """Also commas and quotes."""
    found = {"101": 'Anna "A", Sales', "102": "7"}
    assert users.parse_users(users.write_users(found)) == found


@pytest.mark.parametrize(
    ("user", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+49123", "'+49123"),
        ("-1", "'-1"),
        ("@anna", "'@anna"),
        (" =1+1", "' =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("'=1+1", "''=1+1"),
        ("'anna'", "'anna'"),
        ("anna@example.com", "anna@example.com"),
    ],
)
def test_no_spreadsheet_takes_a_user_for_a_formula(user: str, written: str) -> None:
    """An apostrophe marks it as text, and is left out again when it is read."""
    text = users.write_users({"101": user, "+102": user})
    assert text == f"extension,user\n101,{written}\n'+102,{written}\n"
    assert users.parse_users(text) == {"101": user, "+102": user}


def test_errors_name_their_lines() -> None:
    """All of them at once; nothing is stored of the others."""
    text = "101,anna\n102\n103,\n101,bo\n104,a\x07b\n105,ok\n"
    with pytest.raises(InvalidError) as caught:
        users.parse_users(text)
    assert caught.value.errors["users"] == [
        "Line 2: Needs two columns, extension and user (got 1).",
        "Line 3: Enter an extension and a user.",
        "Line 4: Extension 101 is on line 1 too.",
        "Line 5: Must not contain control characters.",
    ]


@pytest.mark.parametrize("text", ['101,"anna\n', "101,a\0b", '101,"a"b'])
def test_broken_csv_is_an_error(text: str) -> None:
    """Never a trace."""
    with pytest.raises(InvalidError):
        users.parse_users(text)


def test_users_are_fetched_from_the_address_only(
    add_receiver: AddReceiver, pbx: Pbx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a recipe that nobody has checked: its path would end the name of another host."""
    receiver = add_receiver()
    fetch = 'fetch_path = ".evil.example"\nfetch_number = "/n"\nfetch_user = "/u"\n'
    unchecked = RECIPE.replace('label = "User ID"\n', f'label = "User ID"\n{fetch}')
    (tmp_path / "unchecked.toml").write_text(unchecked)
    monkeypatch.setattr(recipe_files, "FOLDER", tmp_path)
    recipe_files._load_ours.cache_clear()
    receiver.recipe = "unchecked"
    try:
        with pytest.raises(ConflictError, match="The users of Our CRM are not below its address"):
            fetch_users(receiver, pbx, 1)
    finally:
        recipe_files._load_ours.cache_clear()


def test_users_are_taken_from_a_response() -> None:
    """By JSON pointers (RFC 6901); entries without a number or a user are left out."""
    body = (
        '{"result": [[{"ID": 7, "phone/inner": "101"}, {"ID": "8", "phone/inner": 102}, '
        '{"ID": 9, "phone/inner": null}, '
        '{"ID": 12345678901234567890123, "phone/inner": "104"}, '
        '{"ID": true, "phone/inner": "103"}, 5]]}'
    )
    response = Response(None, 1, status_code=200, body=body)  # type: ignore[arg-type]
    assert read_response(response, FETCH) == {
        "101": "7",
        "102": "8",
        "104": "12345678901234567890123",
    }


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("<html>", "did not return JSON"),
        ("[" * 100_000, "did not return JSON"),
        ('{"result": []}', "no list at /result/0"),
        ('{"result": [7]}', "no list at /result/0"),
    ],
)
def test_other_responses_are_explained(body: str, message: str) -> None:
    """In a sentence."""
    response = Response(None, 1, status_code=200, body=body)  # type: ignore[arg-type]
    with pytest.raises(ConflictError, match=message):
        read_response(response, FETCH)

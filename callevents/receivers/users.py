"""The user map of a receiver: who an extension is there, such as a user ID or an e-mail address."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, delete, func, insert, select

from callevents import audit, csv_rows
from callevents.audit.targets import of_receiver
from callevents.db.locks import lock_pbx
from callevents.db.models import MAX_NUMBER_LENGTH, Pbx, Receiver, ReceiverUser
from callevents.errors import InvalidError
from callevents.extensions import db
from callevents.validation import check_text

MAX_USER_LENGTH = 255
MAX_USERS = 20_000
MAX_ERRORS = 20
#: The columns of the CSV text. A first line with these names is no entry.
COLUMNS = ("extension", "user")


def list_users(receiver: Receiver, pbx: Pbx) -> Mapping[str, str]:
    """Return the users of the PBX's extensions in the receiver, by number."""
    query = select(ReceiverUser).where(_chosen(receiver, pbx))
    found = db.session.scalars(
        query.order_by(func.length(ReceiverUser.number), ReceiverUser.number)
    )
    return {row.number: row.user for row in found}


def replace_users(receiver: Receiver, pbx: Pbx, users: Mapping[str, str]) -> int:
    """Replace the whole user map of the PBX; return how many entries differ.

    Raises InvalidError about `users`.
    """
    if receiver.pbx_id not in (None, pbx.id):
        raise InvalidError.of("pbx", f"{receiver.name} is a receiver of another PBX.")
    if len(users) > MAX_USERS:
        raise InvalidError.of("users", f"A user map has at most {MAX_USERS:,} entries.")
    for number, user in users.items():
        if message := _find_problem(number, user):
            raise InvalidError.of("users", f"Extension {number!a}: {message}")
    lock_pbx(db.session.connection(), pbx.id)
    before = list_users(receiver, pbx)
    changed = {number for number in {**before, **users} if before.get(number) != users.get(number)}
    gone = sorted(changed & before.keys())
    for start in range(0, len(gone), 500):
        some = ReceiverUser.number.in_(gone[start : start + 500])
        db.session.execute(delete(ReceiverUser).where(_chosen(receiver, pbx), some))
    if rows := [_row(receiver, pbx, one, users[one]) for one in sorted(changed & users.keys())]:
        db.session.execute(insert(ReceiverUser), rows)
    _record(receiver, pbx, before, users)
    return len(changed)


def parse_users(text: str) -> Mapping[str, str]:
    """Return the user map of a CSV text: on each line a number and a user.

    Raises InvalidError about `users`, with all lines that are wrong.
    """
    users: dict[str, str] = {}
    lines: dict[str, int] = {}
    errors: list[str] = []
    rows = csv_rows.read_rows(text, field="users")
    has_header = bool(rows) and tuple(cell.lower() for cell in rows[0][1][:2]) == COLUMNS
    for line, row in rows[has_header:]:
        message = _row_problem(row, lines)
        if message:
            errors.append(f"Line {line}: {message}")
        else:
            users[row[0]], lines[row[0]] = row[1], line
    if errors:
        raise InvalidError({"users": _shorten(errors)})
    return users


def write_users(users: Mapping[str, str]) -> str:
    """Return the user map as CSV, which `parse_users` reads."""
    return csv_rows.write_rows([COLUMNS, *users.items()])


def _row_problem(row: Sequence[str], lines: Mapping[str, int]) -> str:
    if len(row) != len(COLUMNS):
        return f"Needs two columns, extension and user (got {len(row)})."
    if row[0] in lines:
        return f"Extension {row[0]} is on line {lines[row[0]]} too."
    return _find_problem(*row)


def _find_problem(number: str, user: str) -> str:
    if not number or not user:
        return "Enter an extension and a user."
    try:
        check_text(number, field="users", max_length=MAX_NUMBER_LENGTH)
        check_text(user, field="users", max_length=MAX_USER_LENGTH)
    except InvalidError as error:
        return str(error)
    return ""


def _shorten(errors: list[str]) -> list[str]:
    more = len(errors) - MAX_ERRORS
    return [*errors[:MAX_ERRORS], f"And {more:,} more."] if more > 0 else errors


def _chosen(receiver: Receiver, pbx: Pbx) -> ColumnElement[bool]:
    return (ReceiverUser.receiver_id == receiver.id) & (ReceiverUser.pbx_id == pbx.id)


def _row(receiver: Receiver, pbx: Pbx, number: str, user: str) -> dict[str, object]:
    return {"receiver_id": receiver.id, "pbx_id": pbx.id, "number": number, "user": user}


def _record(
    receiver: Receiver, pbx: Pbx, before: Mapping[str, str], after: Mapping[str, str]
) -> None:
    """Record what differs, for each extension; the history shortens long lists."""
    target = of_receiver(receiver)
    values = [
        {f"{pbx.slug} {number}": user for number, user in users.items()}
        for users in (before, after)
    ]
    audit.record_change(audit.Action.RECEIVER_USERS_CHANGED, target, *values)

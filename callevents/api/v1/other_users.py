"""The user whom a request changes: any but the owner of the token."""

from typing import Any

from callevents.api.v1.call import Call
from callevents.db.models import User
from callevents.errors import ConflictError
from callevents.users import lifecycle


def get_other(call: Call[Any, Any], username: str) -> User:
    """Return the user, locked; raises NotFoundError, and ConflictError for the token's owner."""
    call.administer()
    row = lifecycle.lock_user(username)
    if row.id == call.principal.user.id:
        raise ConflictError(
            "This is the owner of your token. Another admin can change or remove this user."
        )
    return row

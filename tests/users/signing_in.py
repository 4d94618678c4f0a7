"""Signs in as the page does."""

from callevents.db.session import begin_write
from callevents.errors import SignInError, TooManyAttemptsError
from callevents.extensions import db
from callevents.users.delays import Client
from callevents.users.sign_in import finish, verify_password

PASSWORD = "correct horse"
WRONG = "Wrong username or password."
SOMEWHERE = Client("10.0.0.1")


def sign_in(
    username: str = "ana",
    password: str = PASSWORD,
    address: str | None = "10.0.0.1",
    device_id: str | None = None,
) -> str:
    """Sign in; return the username, or the error message."""
    begin_write()
    try:
        attempt = verify_password(username, password, Client(address, device_id))
        return finish(attempt).username
    except (SignInError, TooManyAttemptsError) as error:
        return str(error)
    finally:
        db.session.commit()

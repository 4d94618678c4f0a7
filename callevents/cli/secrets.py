"""The commands about the keys of stored secrets."""

import click
from flask.cli import AppGroup

from callevents.cli.output import find_settings, json_option, print_answer, reports_errors
from callevents.db.session import begin_write
from callevents.extensions import cipher, db
from callevents.operations import key_rotation
from callevents.security import encryption

group = AppGroup("secrets", help="Keys of the secrets that requests have.")


@group.command("make-key")
def make_key() -> None:
    """Print a new key for the setting CALLEVENTS_ENCRYPTION_KEYS."""
    click.echo(encryption.make_key())


@group.command("rotate")
@json_option
@reports_errors
def rotate_secrets(as_json: bool) -> None:
    """Encrypt all secrets anew with the first of the keys.

    Where the keys are in the data folder, a new one is made and put first.
    """
    settings = find_settings()
    is_ours = not settings.encryption_keys
    if is_ours:
        settings.add_encryption_key()
        cipher.bound.reload()
    count, unreadable = _renew_all()
    if is_ours and not unreadable:
        settings.drop_old_encryption_keys()
    text = f"The secrets of {count} request{'' if count == 1 else 's'} are encrypted anew."
    if unreadable:
        text += f"\nNo key decrypts those of: {', '.join(unreadable)}. Enter them again."
    print_answer({"renewed": count, "unreadable": unreadable}, text, as_json)


def _renew_all() -> tuple[int, list[str]]:
    """Return how many have been renewed, and the names of those that could not be."""
    begin_write()
    of_pbxs = [key_rotation.reencrypt_connectors(), key_rotation.reencrypt_format_secrets()]
    db.session.commit()
    count, last_id = sum(one.count for one in of_pbxs), 0
    unreadable = [name for one in of_pbxs for name in one.unreadable]
    while True:
        begin_write()
        batch = key_rotation.reencrypt_hooks(last_id)
        if batch is None:
            db.session.rollback()
            return count, unreadable
        db.session.commit()
        count, last_id = count + batch.count, batch.last_id
        unreadable += batch.unreadable

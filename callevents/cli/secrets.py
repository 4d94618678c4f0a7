"""Commands for encryption keys."""

import click
from flask.cli import AppGroup

from callevents import audit
from callevents.audit.targets import INSTALLATION
from callevents.cli.output import get_settings, handle_errors, json_option, print_result
from callevents.counted import counted
from callevents.db.models import utc_now
from callevents.db.session import begin_write
from callevents.delivery.removal import end_removals
from callevents.extensions import cipher, db
from callevents.hooks.bulk.undo import end_changes
from callevents.operations import key_rotation
from callevents.security import encryption

group = AppGroup("secrets", help="Manage the encryption keys of stored secrets.")


@group.command("make-key")
def make_key() -> None:
    """Print a new key for CALLEVENTS_ENCRYPTION_KEYS."""
    click.echo(encryption.make_key())


@group.command("rotate")
@json_option
@handle_errors
def rotate_secrets(as_json: bool) -> None:
    """Re-encrypt all secrets with the first key.

    If the keys are in the data folder, a new key is generated first.
    """
    settings = get_settings()
    is_in_data_folder = not settings.encryption_keys
    if is_in_data_folder:
        settings.add_encryption_key()
        cipher.bound.reload()
    count, unreadable = _reencrypt_all()
    if is_in_data_folder and not unreadable:
        settings.drop_old_encryption_keys()
    text = f"Re-encrypted the secrets of {counted(count, 'request')}."
    if unreadable:
        text += f"\nCould not decrypt the secrets of: {', '.join(unreadable)}. Enter them again."
    print_result({"renewed": count, "unreadable": unreadable}, text, as_json)


def _reencrypt_all() -> tuple[int, list[str]]:
    """Return the number of re-encrypted owners, and the names of those that failed."""
    begin_write()
    audit.record(audit.Action.KEYS_ROTATED, INSTALLATION)
    results = [
        key_rotation.reencrypt_connectors(),
        key_rotation.reencrypt_format_secrets(),
        key_rotation.reencrypt_app_keys(),
        key_rotation.reencrypt_receivers(),
    ]
    db.session.commit()
    results += _reencrypt_hooks()
    # Removed requests keep their secrets as they were: from now on, none can come back.
    end_removals(db.engine, utc_now())
    # The same holds for secrets that undoing a change would bring back.
    end_changes(db.engine, utc_now())
    _reencrypt_answers()
    # One that came back meanwhile is re-encrypted by a second pass, and the others once more.
    again = _reencrypt_hooks()
    count = sum(result.count for result in results)
    names = (name for result in (*results, *again) for name in result.unreadable)
    return count, list(dict.fromkeys(names))


def _reencrypt_answers() -> None:
    last: tuple[str, str] | None = ("", "")
    while last is not None:
        begin_write()
        last = key_rotation.reencrypt_answers(last)
        db.session.commit()


def _reencrypt_hooks() -> list[key_rotation.RotationResult]:
    results: list[key_rotation.RotationResult] = []
    last_id = 0
    while True:
        begin_write()
        batch = key_rotation.reencrypt_hooks(last_id)
        if batch is None:
            db.session.rollback()
            return results
        db.session.commit()
        results.append(batch)
        last_id = batch.last_id

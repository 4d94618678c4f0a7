"""Who can sign in with a password or a passkey, without a provider of single sign-on."""

from callevents.db.models import User
from callevents.extensions import app_state


def is_allowed(user: User) -> bool:
    """Return True if the user can sign in locally, and is not disabled."""
    if user.disabled_at is not None:
        return False
    settings = app_state().settings
    if settings.local_passwords:
        return True
    return user.is_admin and user.username == settings.break_glass_user

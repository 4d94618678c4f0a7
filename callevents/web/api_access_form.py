"""The forms of the page 'API access': an API token, an app."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from wtforms import SelectField, SelectMultipleField, StringField, TextAreaField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.api_access.scopes import RESERVED_SCOPES, V1_SCOPES, ApiScope, group_scopes
from callevents.db.models import OAuthApp, Pbx, User, utc_now
from callevents.enums import Right
from callevents.errors import InvalidError, NotFoundError
from callevents.pbxs.pbxs import list_pbxs
from callevents.users import users
from callevents.web.access import get_visible_pbx, scope_of
from callevents.web.forms import BaseForm
from callevents.web.user_form import ALL_PBXS

NEVER = "never"
#: How long a token is valid, by the value in the form: label and duration.
LIFETIMES: dict[str, tuple[str, timedelta]] = {
    "30d": ("30 days", timedelta(days=30)),
    "90d": ("90 days", timedelta(days=90)),
    "1y": ("1 year", timedelta(days=365)),
}


@dataclass(frozen=True)
class Row:
    """The checkboxes of one group of scopes."""

    label: str
    options: list[Any]


class _AccessForm(BaseForm):
    """A name and scopes, for one PBX or all."""

    name = StringField("Name")
    # The domain reports unknown values.
    scopes = SelectMultipleField("Scopes", choices=[], validate_choice=False)
    pbx = SelectField("PBX", choices=[], default=ALL_PBXS, validate_choice=False)

    def scope_rows(self) -> list[Row]:
        """Return the checkboxes in groups."""
        options = {option.data: option for option in self.scopes}
        return [
            Row(group.label, [options[scope] for scope in group.scopes])
            for group in group_scopes(map(ApiScope, options))
        ]

    def find_pbx(self) -> Pbx | None:
        """Return the chosen PBX, None for all; raises InvalidError about `pbx`."""
        slug = self.pbx.data or ""
        if slug == ALL_PBXS:
            return None
        if not slug:
            raise InvalidError.of("pbx", "Choose a PBX, or 'All PBXs'.")
        try:
            return get_visible_pbx(slug)
        except NotFoundError as error:
            raise InvalidError.of("pbx", str(error)) from None

    def _offer(self, scopes: Iterable[ApiScope]) -> None:
        """Offer the scopes, and the PBXs that the user sees."""
        self.scopes.choices = [SelectChoice(one.value, one.description) for one in scopes]
        pbxs = [SelectChoice(pbx.slug, pbx.name) for pbx in list_pbxs(scope_of(Right.SEE))]
        self.pbx.choices = [SelectChoice(ALL_PBXS, "All PBXs"), *pbxs]


class ApiTokenForm(_AccessForm):
    """A new API token."""

    expires = SelectField(
        "Expires",
        choices=[
            *(SelectChoice(value, f"in {label}") for value, (label, _) in LIFETIMES.items()),
            SelectChoice(NEVER),
        ],
        default="90d",
        validate_choice=False,
    )

    @classmethod
    def of(cls, submitted_form: Any) -> Self:
        """Return the form with the submitted values, if there are any."""
        form = cls(submitted_form)
        form._offer(one for one in V1_SCOPES if one not in RESERVED_SCOPES)
        return form

    def find_expiry(self) -> datetime | None:
        """Return when the token expires, None for never; raises InvalidError about `expires`."""
        chosen = self.expires.data or ""
        if chosen == NEVER:
            return None
        if chosen not in LIFETIMES:
            raise InvalidError.of("expires", "Choose when the token expires.")
        return utc_now() + LIFETIMES[chosen][1]


class OAuthAppForm(_AccessForm):
    """A new app, or the values of one that can be changed."""

    redirect_uris = TextAreaField("Redirect URIs (optional)")
    owner = SelectField("Owner", choices=[], validate_choice=False)

    @classmethod
    def of(
        cls, submitted_form: Any, app: OAuthApp | None = None, owner: User | None = None
    ) -> Self:
        """Return the form with the submitted values, else with those of the app."""
        stored = app.scopes.split() if app else [ApiScope.UAPI.value]
        form = cls(
            submitted_form,
            data={
                "name": app.name if app else "",
                "scopes": stored,
                "redirect_uris": "\n".join(app.redirect_uris) if app else "",
                "owner": owner.username if owner else "",
                "pbx": ALL_PBXS,
            },
        )
        form._offer(one for one in ApiScope if one not in RESERVED_SCOPES or one in stored)
        names = [user.username for user in users.list_users() if user.disabled_at is None]
        form.owner.choices = [SelectChoice(name) for name in names]
        return form

    def find_owner(self) -> User:
        """Return the chosen owner; raises InvalidError about `owner`."""
        if not self.owner.data:
            raise InvalidError.of("owner", "Choose the owner.")
        try:
            return users.get_user(self.owner.data)
        except NotFoundError as error:
            raise InvalidError.of("owner", str(error)) from None

    def find_redirect_uris(self) -> list[str]:
        """Return the entered URIs, one from each line."""
        return (self.redirect_uris.data or "").splitlines()

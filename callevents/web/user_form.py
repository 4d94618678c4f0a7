"""The form of a user: e-mail address and roles, for a new one also the name."""

from collections.abc import Iterable
from typing import Any, Self

from wtforms import FieldList, Form, FormField, SelectField, StringField
from wtforms.fields.choices import SelectChoice  # type: ignore[attr-defined]  # newer than its types

from callevents.db.models import Pbx, User
from callevents.enums import Role
from callevents.errors import InvalidError
from callevents.pbxs.pbxs import list_pbxs
from callevents.users.grants import MAX_GRANTS, NewGrant, find_grant
from callevents.web.forms import BaseForm

#: So that roles can be added without JavaScript.
EMPTY_ROWS = 2
#: In the form: all PBXs. An empty choice never means that.
ALL_PBXS = "*"


class RoleForm(Form):
    """A row for a role. A row without a role is ignored."""

    # The domain reports unknown values.
    role = SelectField(
        "Role",
        choices=[SelectChoice("", "No role"), *(SelectChoice(role.value) for role in Role)],
        validate_choice=False,
    )
    pbx = SelectField("PBX", choices=[], validate_choice=False)
    extension = StringField("Extension")

    def find_grant(self) -> NewGrant:
        """Return the grant of the row; raises InvalidError about `roles`."""
        number = (self.extension.data or "").strip()
        slug = self.pbx.data or ""
        if not slug:
            raise InvalidError.of("roles", "Choose a PBX for the role, or 'All PBXs'.")
        return find_grant(self.role.data or "", "" if slug == ALL_PBXS else slug, number)


class UserForm(BaseForm):
    """The user's e-mail address and roles."""

    email = StringField("E-mail (optional)")
    roles = FieldList(FormField(RoleForm), "Roles")

    @classmethod
    def of(cls, submitted_form: Any, user: User | None = None) -> Self:
        """Return the form with the submitted values, else with the user's."""
        email = user.email if user else ""
        form = cls(submitted_form, data={"roles": [], "email": email})
        if submitted_form is None and user is not None:
            for grant in user.grants:
                pbx, extension = grant.pbx, grant.extension
                form.roles.append_entry(
                    {
                        "role": grant.role.value,
                        "pbx": pbx.slug if pbx else ALL_PBXS,
                        "extension": extension.number if extension else "",
                    }
                )
        form._add_empty_rows()
        form._offer_pbxs([one.pbx for one in user.grants if one.pbx] if user else [])
        return form

    def find_grants(self) -> list[NewGrant]:
        """Return the chosen grants; raises InvalidError with a message for each wrong row."""
        grants, errors = [], {}
        for index, row in enumerate(self.roles):
            if not row.form.role.data:
                continue
            try:
                grants.append(row.form.find_grant())
            except InvalidError as error:
                errors[f"roles{index}"] = error.errors["roles"]
        if errors:
            raise InvalidError(errors)
        return grants

    def add_errors(self, error: InvalidError) -> None:
        """Show each message next to its field, those about a role next to its row."""
        others = dict(error.errors)
        for index, row in enumerate(self.roles):
            row.form.role.errors = others.pop(f"roles{index}", [])
        super().add_errors(InvalidError(others))

    def _add_empty_rows(self) -> None:
        filled = len([row for row in self.roles if row.form.role.data])
        for _ in range(min(filled + EMPTY_ROWS, MAX_GRANTS) - len(self.roles)):
            self.roles.append_entry()

    def _offer_pbxs(self, current: Iterable[Pbx]) -> None:
        """Offer each row all PBXs that are in use, and the row's own if it is being removed."""
        names = {pbx.slug: pbx.name for pbx in list_pbxs()}
        removing = {pbx.slug: pbx.name for pbx in current if pbx.slug not in names}
        for row in self.roles:
            offered = {"": "No PBX", ALL_PBXS: "All PBXs"} | names
            slug = row.form.pbx.data
            if slug in removing:
                offered[slug] = f"{removing[slug]} (being removed)"
            row.form.pbx.choices = [SelectChoice(*one) for one in offered.items()]


class InvitationForm(UserForm):
    """A new user, who sets the password."""

    username = StringField("Username")

"""Tokens of a PBX: create and revoke."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents.enums import Right
from callevents.extensions import db
from callevents.pbxs import pbxs, tokens
from callevents.web import dialogs, htmx
from callevents.web.access import requires

bp = Blueprint("tokens", __name__, url_prefix="/pbxs/<slug>/tokens")


@bp.post("")
@requires(Right.MANAGE)
def make(slug: str) -> Any:
    """Create a token and show it once."""
    pbx = pbxs.get_pbx(slug)
    token = tokens.add_token(pbx)
    db.session.commit()
    htmx.trigger("tokens-changed")
    return dialogs.show("pbxs/token_made.html", pbx=pbx, token=token, is_new_pbx=False)


@bp.route("/<id:token_id>/revoke", methods=["GET", "POST"])
@requires(Right.MANAGE)
def revoke(slug: str, token_id: str) -> Any:
    """Confirm; revoke the token."""
    pbx = pbxs.get_pbx(slug)
    token = tokens.get_token(pbx, token_id)
    if request.method == "POST":
        tokens.revoke_token(pbx, token_id)
        db.session.commit()
        text = f"The token {token.hint}… is revoked."
        return dialogs.finish(text, url_for("pbxs.show", slug=slug), "tokens-changed")
    is_last = len(tokens.list_tokens(pbx)) == 1
    return dialogs.show("pbxs/revoke.html", pbx=pbx, token=token, is_last=is_last)

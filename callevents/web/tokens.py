"""A PBX's tokens: made and shown once, revoked."""

from typing import Any

from flask import Blueprint, request, url_for

from callevents import pbxs
from callevents.extensions import db
from callevents.web import dialogs, hx
from callevents.web.guard import for_admins

bp = Blueprint("tokens", __name__, url_prefix="/pbxs/<slug>/tokens")


@bp.post("")
def make(slug: str) -> Any:
    """Make another token and show it: in this answer, and never again."""
    pbx = pbxs.get_pbx(slug)
    token = pbxs.add_token(pbx)
    db.session.commit()
    hx.tell("tokens-changed")
    return dialogs.show("pbxs/token_made.html", pbx=pbx, token=token, is_new_pbx=False)


@bp.route("/<id:token_id>/revoke", methods=["GET", "POST"])
@for_admins
def revoke(slug: str, token_id: str) -> Any:
    """Ask whether to revoke the token; revoke it."""
    pbx = pbxs.get_pbx(slug)
    token = pbxs.get_token(pbx, token_id)
    if request.method == "POST":
        pbxs.revoke_token(pbx, token_id)
        db.session.commit()
        text = f"The token {token.hint}… is revoked."
        return dialogs.finish(text, url_for("pbxs.show", slug=slug), "tokens-changed")
    is_last = len(pbxs.list_tokens(pbx)) == 1
    return dialogs.show("pbxs/revoke.html", pbx=pbx, token=token, is_last=is_last)

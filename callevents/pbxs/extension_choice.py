"""The extensions that a user has selected on the page: some of a list, or all that match."""

from collections.abc import Sequence

from sqlalchemy import func, select

from callevents.db.models import Extension, Pbx, to_id
from callevents.extensions import db
from callevents.pbxs.extensions import select_matching
from callevents.users.rights import Scope


def list_matching(
    pbx: Pbx, search: str, group: str, scope: Scope, limit: int
) -> Sequence[Extension]:
    """Return the extensions that `find_extensions` finds, on all pages, at most `limit`."""
    matching = select_matching(pbx, search, group).where(scope.of_extensions())
    ordered = matching.order_by(func.length(Extension.number), Extension.number)
    return db.session.scalars(ordered.limit(limit)).all()


def list_chosen(pbx: Pbx, ids: Sequence[str], scope: Scope, limit: int) -> Sequence[Extension]:
    """Return the extensions with these IDs, by number, at most `limit`; others are left out."""
    wanted = [found for one in ids[:limit] if (found := to_id(one)) is not None]
    chosen = (Extension.pbx_id == pbx.id, Extension.id.in_(wanted), scope.of_extensions())
    ordered = select(Extension).where(*chosen)
    return db.session.scalars(
        ordered.order_by(func.length(Extension.number), Extension.number)
    ).all()

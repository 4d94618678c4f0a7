"""Scopes of tokens and apps that are limited to one PBX."""

from collections.abc import Iterable, Sequence

import click

from callevents.api_access.scopes import INSTALLATION_SCOPES
from callevents.db.models import Pbx


def leave_out(scopes: Iterable[str], pbx: Pbx | None) -> Sequence[str]:
    """Return the scopes without those that nothing limited to a PBX can have; say which these are.

    If none would be left, all are returned, for the domain to refuse.
    """
    chosen = list(scopes)
    kept = [scope for scope in chosen if pbx is None or scope not in INSTALLATION_SCOPES]
    if not kept or len(kept) == len(chosen):
        return chosen
    names = ", ".join(scope for scope in chosen if scope in INSTALLATION_SCOPES)
    click.echo(f"Left out, because they are for all PBXs together: {names}.", err=True)
    return kept

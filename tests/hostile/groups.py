"""All groups of attacks."""

from collections.abc import Sequence

from tests.hostile.arena import Attack
from tests.hostile.attacks import (
    addresses,
    costly,
    endings,
    foreign_jobs,
    framing,
    malformed,
    mutations,
    odd_lines,
    pipelining,
    placeholders,
    receivers,
    sign_ins,
    slow,
    splits,
    strangers,
    unread_bodies,
)

GROUPS: dict[str, Sequence[Attack]] = {
    "pipelining": pipelining.ATTACKS,
    "splits": splits.ATTACKS,
    "smuggling": (*framing.ATTACKS, *unread_bodies.ATTACKS, *mutations.ATTACKS),
    "slow strangers": (*slow.ATTACKS, *endings.ATTACKS),
    "costly requests": costly.ATTACKS,
    "odd lines of PBXs": odd_lines.ATTACKS,
    "malformed and oversized": malformed.ATTACKS,
    "receivers": receivers.ATTACKS,
    "users and addresses": (*strangers.ATTACKS, *addresses.ATTACKS),
    "parallel sign-ins": sign_ins.ATTACKS,
    "placeholders": placeholders.ATTACKS,
    "foreign jobs": foreign_jobs.ATTACKS,
}

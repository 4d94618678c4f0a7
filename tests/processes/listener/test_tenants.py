"""Domains as tenants: two PBXs of Call Events on one FreeSWITCH, as with FusionPBX."""

from callevents.db.models import Pbx
from callevents.db.session import begin_write
from callevents.extensions import db
from callevents.pbxs import pbxs
from tests.processes.listener.conftest import Serve, connect, stored, texts
from tests.processes.listener.test_follower import Listen, find_call
from tests.support.waiting import wait_until

DOMAINS = ("a.example.com", "b.example.com")


def move(parts: list[bytes], domain: str, tag: str) -> list[bytes]:
    """Return a recorded call in another domain, with IDs of its own."""
    return [retag(part.replace(b"pbx.local", domain.encode()), tag) for part in parts]


def retag(part: bytes, tag: str) -> bytes:
    """Return the part with other UUIDs, and its length put right."""
    head, _, body = part.partition(b"\n\n")
    lines = []
    for line in body.split(b"\n"):
        name, colon, value = line.partition(b": ")
        is_id = b"UUID" in name.upper() or b"Unique-ID" in name
        lines.append(name + colon + value[:-1] + tag.encode() if is_id and value else line)
    body = b"\n".join(lines)
    kind = next(line for line in head.split(b"\n") if line.startswith(b"Content-Type"))
    return b"Content-Length: %d\n%s\n\n%s" % (len(body), kind, body)


def test_two_tenants_share_their_numbers(pbx: Pbx, serve: Serve, listen: Listen) -> None:
    """Each PBX has the events of its own 101 and 102, by their numbers alone, and no others."""
    parts, words = find_call("freeswitch", "f01")
    begin_write()
    other = pbxs.add_pbx("Tenant B")[0]
    db.session.commit()
    server = serve("freeswitch")
    for tenant, domain in zip((pbx, other), DOMAINS, strict=True):
        connect(tenant, "freeswitch", server.port, domain=domain)
    listen()
    server.wait_for_listener(2)
    first, second = (move(parts, domain, tag) for domain, tag in zip(DOMAINS, "ab", strict=True))
    server.say([part for pair in zip(first, second, strict=True) for part in pair])
    server.say(move(parts, "c.example.com", "c"))
    for tenant, tag in ((pbx, "a"), (other, "b")):
        wait_until(lambda one=tenant: len(texts(one)) >= len(words), "the events")
        assert texts(tenant) == words
        events = stored(tenant)
        assert {one.leg_id[-1] for one in events} == {tag}
        assert {one.called_extension for one in events} == {"102"}
        assert {one.caller_extension for one in events} == {"101"}

"""Requests into the own network (SSRF), at saving, at testing and at sending."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select

from callevents.db.models import Attempt, Delivery, Extension
from tests.hostile.arena import Arena, Case
from tests.hostile.probe import ask
from tests.hostile.product import ADMIN
from tests.hostile.requests_raw import PATH, new_id, post
from tests.hostile.visitors import Visitor
from tests.support.raw_server import OK_AND_CLOSE, RawServer, answers
from tests.support.waiting import wait_until

#: Hosts that must not be contacted. 127.77.0.1 and others are this machine, where a trap listens.
HOSTS = (
    "127.77.0.1", "127.0.0.2", "127.77.1", "127.1.1", "2135752705", "0x7f4d0001", "0x7f.77.0.1",
    "0177.0115.0.1", "127.0x4d.1", "017723200001", "127.77.0.1.",
    "\uff11\uff12\uff17.77.0.\uff11", "127\u300277\u30020\u30021",
    "\u2460\u2461\u2466.77.0.1", "0.0.0.0", "0", "00.00.00.00", "[::]", "[::1]", "[0:0::0:1]",
    "[::ffff:127.77.0.1]", "[::ffff:7f4d:1]", "[::127.77.0.1]", "[64:ff9b::127.77.0.1]",
    "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f4d:1::]", "[2002:7f00:1::1]",
    "[2001::80ff:fffe]", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]",
    "[5f00::1]", "[2001:db8::1]", "169.254.169.254", "2852039166", "0xa9fea9fe", "169.16689662",
    "[::ffff:a9fe:a9fe]", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "192.0.0.1",
    "192.0.2.1", "198.18.0.1", "168.63.129.16", "224.0.0.1", "240.0.0.1", "255.255.255.255",
)  # fmt: skip
#: URLs whose host depends on who reads them; `%t` is a trap and `%a` what is allowed.
URLS = (
    "http://%a@%t/", "http://%a#@%t/", "http://%a\\@%t/", "http://%t\\.%a/", "http://%t%2f@%a/",
    "http:/%t/", "http:%t/", "//%t/", "http:///%t/", "file:///etc/passwd",
    "gopher://%t/", "ftp://%t/", "dict://%t/", "unix:///run/x", "http+unix://%t/",
    "javascript:alert(1)",
    "http://[::ffff:127.77.0.1%25lo]/", "http://[127.77.0.1]/", "http://%t\t/",
    "http://%t\r\nX: y/",
    "http://{CallerIDNum}/", "http://127.{CallerIDNum}.0.1/", "http{PBX}://%t/",
    "http://%t:{CallerIDNum}/",
)  # fmt: skip
WHERE = "/pbxs/target/extensions/all"


def addresses_at_test(arena: Arena) -> Iterator[Case]:
    """An admin tests a request to each address: the server asks its own network for them."""
    with _trap() as trap, Visitor(arena.product) as admin:
        admin.sign_in(ADMIN)
        for url in [*_urls(arena, trap), *_odd_urls(arena, trap)]:
            path = f"{WHERE}/test/dial-in"
            answer = admin.ask(
                "POST", path, {**_form(url), "csrf_token": admin.csrf}, {"HX-Request": "true"}
            )
            is_refused = answer.status_code in {200, 422} and trap.accepted == 0
            is_refused = is_refused and "delivered" not in answer.text.lower()
            yield Case(url, "" if is_refused else f"{answer.status_code}, {trap.accepted} contacts")


def odd_urls_at_saving(arena: Arena) -> Iterator[Case]:
    """URLs that two readers take for two hosts are saved: the check sees the other one."""
    with _trap() as trap, Visitor(arena.product) as admin:
        admin.sign_in(ADMIN)
        for url in _odd_urls(arena, trap):
            answer = admin.submit(f"{WHERE}/requests/new/hangup", **_form(url))
            is_refused = answer.status_code == 422
            yield Case(repr(url), "" if is_refused else f"answered {answer.status_code}")


def addresses_at_sending(arena: Arena) -> Iterator[Case]:
    """Each address is saved and an event happens: the worker contacts it."""
    with _trap() as trap, Visitor(arena.product) as admin:
        admin.sign_in(ADMIN)
        saved = []
        for number, url in enumerate(_urls(arena, trap)):
            extension = f"ssrf{number}"
            arena.product.commands.run("extensions", "add", "target", extension)
            [[place]] = arena.product.query(
                select(Extension.id).where(Extension.number == extension)
            )
            path = f"/pbxs/target/extensions/{place}/requests/new/dial-in"
            answer = admin.submit(path, **_form(url))
            if answer.status_code == 422:
                yield Case(url)
                continue
            saved.append((url, extension))
        events = [{"event": "dial-in", "ext": one, "id": new_id("ssrf")} for _, one in saved]
        token = f"X-Ingest-Token: {arena.product.token}"
        kind = "Content-Type: application/json"
        request = post(new_id("ssrf"), PATH, json.dumps(events).encode(), kind, token)
        assert not ask(arena, request)
        for url, extension in saved:
            yield Case(url, _judge(arena, extension) or _judge_trap(trap))


def _judge(arena: Arena, extension: str) -> str:
    """Return what is wrong with the only attempt of the extension's delivery."""
    statement: Any = (
        select(Attempt.error, Attempt.status_code)
        .join(Delivery, Delivery.id == Attempt.delivery_id)
        .where(Delivery.extension == extension)
    )
    wait_until(lambda: arena.product.query(statement), f"an attempt of {extension}")
    [(error, status)] = arena.product.query(statement)
    # A notation that no resolver knows is no address.
    is_refused = "blocked" in error or "does not resolve" in error
    return "" if is_refused and status is None else f"{status} {error}"


def _judge_trap(trap: RawServer) -> str:
    return f"{trap.accepted} contacts" if trap.accepted else ""


def _trap() -> contextlib.AbstractContextManager[RawServer]:
    return RawServer(answers(OK_AND_CLOSE), host="0.0.0.0")


def _urls(arena: Arena, trap: RawServer) -> list[str]:
    hosts = HOSTS[:: arena.scale(1, 4)]
    return [f"http://{host}:{trap.port}/" for host in hosts]


def _odd_urls(arena: Arena, trap: RawServer) -> list[str]:
    allowed = arena.load.url.removeprefix("http://")
    forbidden = f"127.77.0.1:{trap.port}"
    return [
        url.replace("%t", forbidden).replace("%a", allowed) for url in URLS[:: arena.scale(1, 3)]
    ]


def _form(url: str) -> dict[str, str]:
    return {
        "url": url,
        "method": "GET",
        "active": "y",
        "in_order": "y",
        "give_up_seconds": "86400",
        "body_format": "form",
        "parameters": "all",
        "auth": "none",
        "signing": "keep",
    }


ATTACKS = (addresses_at_test, odd_urls_at_saving, addresses_at_sending)

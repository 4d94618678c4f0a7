"""The verdicts and the oracles, on made-up answers: each kind of failure is seen."""

import pytest

from tests.hostile.attacks import framing, mutations, receivers
from tests.hostile.requests_raw import get, post
from tests.hostile.scripts import BROKEN
from tests.hostile.talks import Talk
from tests.hostile.verdict import Verdict, judge_processes, judge_times
from tests.hostile.wire import TornError, read_answers

PROBLEM = "Content-Type: application/problem+json\r\n"


def answer(status: int, request_id: str = "", lines: str = "", body: str = "x") -> bytes:
    """Return the bytes of an answer."""
    own = f"X-Request-ID: {request_id}\r\n" if request_id else ""
    return f"HTTP/1.1 {status} X\r\n{own}{lines}Content-Length: {len(body)}\r\n\r\n{body}".encode()


def over(*answers: bytes, is_closed: bool = True) -> Talk:
    """Return a conversation with these answers."""
    return Talk([], data=b"".join(answers), is_closed=is_closed)


def good() -> Verdict:
    """Return a verdict of attacks that were held."""
    return Verdict("group", cases=3, held=3, seconds=[0.01] * 200, quiet_seconds=[0.01] * 200)


def test_good_verdict() -> None:
    """Attacks that were held, with nothing left, are good."""
    verdict = good()
    judge_times(verdict)
    judge_processes(verdict, descriptors=2, traces=0, restarted=False)
    assert verdict.is_good


@pytest.mark.parametrize(
    "changes",
    [
        {"held": 2},
        {"cases": 0, "held": 0},
        {"growth_mb": 31.0},
        {"seconds": [0.6] * 200},
        {"seconds": [0.01] * 200 + [1.1]},
        {"complaints": ["something"]},
    ],
)
def test_bad_verdict(changes: dict[str, object]) -> None:
    """A case that was not held, growth, and slow reports are each bad."""
    verdict = good()
    for name, value in changes.items():
        setattr(verdict, name, value)
    judge_times(verdict)
    judge_processes(verdict, descriptors=0, traces=0, restarted=False)
    assert not verdict.is_good


@pytest.mark.parametrize(
    ("descriptors", "traces", "restarted"), [(9, 0, False), (0, 1, False), (0, 0, True)]
)
def test_bad_processes(descriptors: int, traces: int, restarted: bool) -> None:
    """Descriptors that are left, a trace in the log and a process that ended are each bad."""
    verdict = good()
    judge_processes(verdict, descriptors=descriptors, traces=traces, restarted=restarted)
    assert not verdict.is_good


def test_answers_are_read_strictly() -> None:
    """Interim answers are passed over; anything that is no whole answer is an error."""
    early = b"HTTP/1.1 103 Early\r\nX: y\r\n\r\n"
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"
    found = read_answers(early + answer(200, "a") + chunked + answer(404, "b"))
    assert [(one.status, one.id, one.body) for one in found] == [
        (200, "a", b"x"),
        (200, "", b"a"),
        (404, "b", b"x"),
    ]
    for torn in (answer(200)[:-1], answer(200) + b"x", b"nonsense", b"HTTP/1.1 200 OK\r\n"):
        with pytest.raises(TornError):
            read_answers(torn)


def test_oracle_of_what_is_read() -> None:
    """Each request is answered once, in order, and the connection ends."""
    first, second = answer(202, "a"), answer(200, "b")
    assert not framing.judge_read(over(first, second), ["a", "b"])
    for talk in (
        over(second, first),
        over(first),
        over(first, answer(200, "inner"), second),
        over(answer(400, "a"), second),
        over(first, second, is_closed=False),
        over(first, second[:-1]),
    ):
        assert framing.judge_read(talk, ["a", "b"])


def test_oracle_of_what_is_refused() -> None:
    """One problem document, and the end."""
    refusal = answer(400, lines=PROBLEM)
    assert not framing.judge_refused(over(refusal), [])
    for talk in (
        over(refusal, answer(200, "b")),
        over(answer(400)),
        over(answer(500, lines=PROBLEM)),
        over(answer(202, "a")),
        over(),
        over(refusal, is_closed=False),
    ):
        assert framing.judge_refused(talk, [])


def test_oracle_of_mutations() -> None:
    """What h11 reads may be answered or refused, and nothing else answered."""
    inner = get("inner")
    data = post("a", "/healthz", inner) + get("b", close=True)
    assert mutations.read_as_h11(data) == (["a", "b"], True)
    assert mutations.read_as_h11(data.replace(b"Host", b"Ho st", 1)) == ([], False)
    assert mutations.read_as_h11(data.replace(b"Content-Length", b"X"))[0] == ["a", "inner", "b"]
    for held in (over(answer(200, "a"), answer(200, "b")), over(answer(200, "a"), answer(400))):
        assert not mutations.judge(data, held)
    for broken in (
        over(answer(200, "a"), answer(200, "inner"), answer(200, "b")),
        over(answer(200, "b"), answer(200, "a")),
        over(answer(500, "a"), answer(200, "b")),
        over(answer(200, "a"), is_closed=False),
    ):
        assert mutations.judge(data, broken)


@pytest.mark.parametrize(
    ("status", "error", "truths", "held"),
    [
        (200, "", {200}, True),
        (500, "The receiver returned 500.", {500}, True),
        (None, "The response is not valid HTTP.", {BROKEN}, True),
        (200, "", {500}, False),
        (200, "", {BROKEN}, False),
        (500, "", {500}, False),
        (200, "An error", {200}, False),
        (None, "", {BROKEN}, False),
        (None, "An error", {200}, False),
    ],
)
def test_oracle_of_receivers(status: int | None, error: str, truths: set[int], held: bool) -> None:
    """A delivery must have its own answer, and a sentence if it is none or no success."""
    assert (receivers.judge(status, error, truths) == "") is held

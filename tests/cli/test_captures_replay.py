"""`flask pbx replay` prints the call events of a captured stream."""

import gzip
import json
import re
from pathlib import Path

import pytest

from callevents.db.session import begin_write
from callevents.enums import ConnectorKind
from callevents.extensions import db
from callevents.ingest.report import Report
from callevents.pbxs import connectors, extensions, pbxs
from callevents.pbxs.connectors import ConnectorConfig
from tests.cli.conftest import Run
from tests.support.recorded_streams import EXPECTED, SCENARIOS, TRACES, expected, read_stream

NUMBERS = "101,102, 103,104,105"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """The capture of a ring group's call on an Asterisk."""
    path = tmp_path / "capture.txt"
    path.write_bytes(read_stream("asterisk", "s22_ring_group_dial_two"))
    return path


def test_each_event_is_a_line_of_json(run: Run, capture: Path) -> None:
    """Each line has the fields to compare with the receiver's requests."""
    result = run("pbx", "replay", "--source", "asterisk", str(capture), "--extensions", NUMBERS)
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["event"], line["extension"]) for line in lines] == [
        ("dial-in", "102"),
        ("dial-in", "103"),
        ("answer-in", "103"),
        ("hangup", "102"),
        ("hangup", "103"),
    ]
    assert lines[-1] == {
        "event": "hangup",
        "extension": "103",
        "peer": "0612345678",
        "call_id": "pbxtest-1795402177.104",
        "leg_id": "pbxtest-1795402177.106",
        "at": "2026-11-23T02:49:39.698+00:00",
        "cause": 16,
        "cause_name": "Normal Clearing",
        "status": "ANSWER",
        "answered": True,
        "duration": 1,
        "flow": "IN",
        "caller_number": "0612345678",
        "caller_name": None,
        "called_number": "5551600",
        "called_did": "5551600",
        "caller_extension": None,
        "called_extension": None,
        "queue": None,
        "late": False,
    }


def test_no_field_of_an_event_is_left_out(run: Run, capture: Path) -> None:
    """Each field of a report has a column, under its name or as `event`, `duration` and `late`."""
    result = run("pbx", "replay", "--source", "asterisk", str(capture), "--extensions", NUMBERS)
    names = set(Report._fields)
    names -= {"event_type", "duration_seconds", "is_late", "key", "is_followed"}
    # Derived when the event is stored.
    names -= {"started_at", "answered_at", "answered_by"}
    for line in result.stdout.splitlines():
        assert set(json.loads(line)) == names | {
            "event",
            "duration",
            "late",
            "cause_name",
            "answered",
        }


@pytest.mark.parametrize("source", EXPECTED)
def test_all_recordings_can_be_replayed(run: Run, tmp_path: Path, source: str) -> None:
    """Captures of a log-in and empty captures give no events."""
    for packed in (TRACES / source).glob("*.gz"):
        path = tmp_path / packed.stem
        path.write_bytes(gzip.decompress(packed.read_bytes()))
        result = run("pbx", "replay", "--source", source, str(path), "--extensions", NUMBERS)
        name = packed.name.partition(".")[0]
        wanted = expected(source, name) if (source, name) in SCENARIOS else {}
        count = sum(map(len, wanted.values()))
        assert len(result.stdout.splitlines()) == count
        said = [] if path.stat().st_size else ["The capture is empty."]
        if "forges" in path.name:
            said = [
                "23 messages contained text that Asterisk would not write, from a caller's number? "
                "It was ignored."
            ]
        lines = result.stderr.splitlines()
        if not count and path.stat().st_size:
            assert lines.pop(0).startswith("No call events of 101, 102, 103, 104, 105. ")
        assert (result.exit_code, lines) == (0, said)


@pytest.mark.parametrize(
    ("source", "name", "phones"),
    [
        ("asterisk", "s22_ring_group_dial_two", "trunk, 102, 103"),
        ("freeswitch", "f01_internal_answered_caller_hangs_up", "101@pbx.local, 102@pbx.local"),
    ],
)
def test_no_call_event(run: Run, tmp_path: Path, source: str, name: str, phones: str) -> None:
    """If no phone of the capture is an extension, it says which phones there are."""
    path = tmp_path / "capture.txt"
    path.write_bytes(read_stream(source, name))
    arguments = ("pbx", "replay", "--source", source, str(path))
    result = run(*arguments, "--extensions", "999")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == f"No call events of 999. Phones in the capture: {phones}.\n"
    begin_write()
    pbx, _ = pbxs.add_pbx("Head Office")
    db.session.commit()
    result = run(*arguments, "--pbx", pbx.slug)
    assert result.stderr.startswith("No call events of the extensions of head-office. Phones in ")


def test_many_phones(run: Run, tmp_path: Path) -> None:
    """Of many phones the first ones are named. A capture without a phone says so."""
    stream = read_stream("asterisk", "s22_ring_group_dial_two").decode()
    path = tmp_path / "capture.txt"
    blocks = [one for one in stream.split("\r\n\r\n") if one.startswith("Event: Newchannel")]
    text = "\r\n\r\n".join(
        re.sub("/[0-9a-z]+-", f"/{number}-", blocks[0]).replace(".1", f".1{number}")
        for number in range(200, 225)
    )
    path.write_text(text + "\r\n\r\n", newline="")
    arguments = ("pbx", "replay", "--source", "asterisk", str(path), "--extensions", "999")
    assert ", 219 and 5 more." in run(*arguments).stderr
    path.write_text("Event: FullyBooted\r\nPrivilege: system,all\r\n\r\n", newline="")
    assert run(*arguments).stderr == "No call events of 999. The capture has no phones.\n"


def test_the_extensions_may_be_those_of_a_pbx(run: Run, capture: Path) -> None:
    """--pbx uses the extensions of the PBX."""
    begin_write()
    pbx, _ = pbxs.add_pbx("Head Office")
    extensions.add_extension(pbx, "103", "")
    db.session.commit()
    result = run("pbx", "replay", "--source", "asterisk", "--pbx", pbx.slug, str(capture))
    assert result.exit_code == 0
    assert {json.loads(line)["extension"] for line in result.stdout.splitlines()} == {"103"}


@pytest.mark.parametrize(("domain", "numbers"), [("PBX.local", {"102"}), ("other", set())])
def test_the_domain_of_a_pbx_counts(
    run: Run, tmp_path: Path, domain: str, numbers: set[str]
) -> None:
    """--pbx follows the phones of the connector's domain only, as the listener does."""
    begin_write()
    pbx, _ = pbxs.add_pbx("Head Office")
    extensions.add_extension(pbx, "102", "")
    config = ConnectorConfig(
        kind=ConnectorKind.FREESWITCH, host="pbx", port=8021, secret="s", domain=domain
    )
    connectors.set_connector(pbx, config)
    db.session.commit()
    path = tmp_path / "capture.txt"
    path.write_bytes(read_stream("freeswitch", "f01_internal_answered_caller_hangs_up"))
    result = run("pbx", "replay", "--source", "freeswitch", "--pbx", pbx.slug, str(path))
    assert result.exit_code == 0
    assert {json.loads(line)["extension"] for line in result.stdout.splitlines()} == numbers


def test_a_capture_may_come_by_a_pipe(run: Run, capture: Path) -> None:
    """A dash reads standard input."""
    arguments = ("pbx", "replay", "--source", "asterisk", "-", "--extensions", NUMBERS)
    result = run(*arguments, input=capture.read_bytes())
    assert len(result.stdout.splitlines()) == 5


def test_what_is_no_capture_is_refused(run: Run, tmp_path: Path) -> None:
    """The command exits with 1 and a message, which names the other source if it matches."""
    path = tmp_path / "notes.txt"
    path.write_text("Dear all,\n\nEvent: the annual party\nPlace: here\n\nYours\n")
    for source, label in (("asterisk", "Asterisk's AMI"), ("freeswitch", "FreeSWITCH's event")):
        result = run("pbx", "replay", "--source", source, str(path), "--extensions", "101")
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"{path}: This is no capture of {label}" in result.stderr


@pytest.mark.parametrize("source", EXPECTED)
@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 20, gzip.compress(b"Event: x", mtime=0), b"{}"]
)
def test_what_is_no_text_is_refused(run: Run, tmp_path: Path, source: str, content: bytes) -> None:
    """Any other bytes exit with 1 and a message."""
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    result = run("pbx", "replay", "--source", source, str(path), "--extensions", "101")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"Error: {path}: This is no capture of ")


def test_a_file_that_cannot_be_read(run: Run, tmp_path: Path) -> None:
    """A missing file and a folder exit with 1 and the reason."""
    arguments = ("pbx", "replay", "--source", "asterisk", "--extensions", "101")
    for path, reason in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        result = run(*arguments, str(path))
        assert (result.exit_code, result.stdout) == (1, "")
        assert f"Cannot read {path}: {reason}" in result.stderr


def test_a_capture_of_the_other_kind_is_recognised(run: Run, capture: Path) -> None:
    """With the wrong --source, the message names the right one."""
    arguments = ("pbx", "replay", "--source", "freeswitch", str(capture), "--extensions", "101")
    result = run(*arguments)
    assert result.exit_code == 1
    assert "It looks like one of Asterisk's AMI: try --source asterisk." in result.stderr


def test_warnings(run: Run, tmp_path: Path) -> None:
    """Malformed lines and unfinished legs are counted on stderr."""
    path = tmp_path / "cut.txt"
    stream = read_stream("asterisk", "s22_ring_group_dial_two")
    path.write_bytes(b"2026-11-23 10:00 start\r\n" + stream[: len(stream) // 2])
    result = run("pbx", "replay", "--source", "asterisk", str(path), "--extensions", NUMBERS)
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr.splitlines() == [
        "Malformed lines or messages skipped: 2.",
        "Legs still active at the end of the capture: 3.",
    ]


def test_extensions_are_required(run: Run, capture: Path) -> None:
    """Without --extensions and --pbx, or with an unknown PBX, the command fails with a message."""
    result = run("pbx", "replay", "--source", "asterisk", str(capture))
    assert (result.exit_code, "--extensions 101,102 or --pbx SLUG" in result.stderr) == (2, True)
    result = run("pbx", "replay", "--source", "asterisk", "--pbx", "nowhere", str(capture))
    assert (result.exit_code, "nowhere" in result.stderr) == (1, True)


@pytest.mark.parametrize("number", [0, 1])
def test_the_examples_in_the_documents_are_true(run: Run, tmp_path: Path, number: int) -> None:
    """The output in docs/replay.md is the output of the command."""
    page = (Path(__file__).parents[2] / "docs" / "replay.md").read_text()
    examples = re.findall(r"```\n\$ flask (.+)\n([^`]+)```", page)
    command, output = examples[number]
    path = tmp_path / "capture.txt"
    path.write_bytes(read_stream("asterisk", "s04_internal_busy"))
    result = run(*command.replace("capture.txt", str(path)).split())
    assert result.output == output

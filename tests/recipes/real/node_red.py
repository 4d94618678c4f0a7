"""The recipe for Node-RED against a real one, with the flow that users import.

Not among the tests that always run: it installs Node-RED. `make test-receivers` runs it.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from callevents.enums import DeliveryState
from tests.recipes.conftest import CALLER, Line
from tests.recipes.test_whole_calls import find_errors
from tests.support import node_tools
from tests.support.ports import find_free_port
from tests.support.programs import DEADLINE_SECONDS
from tests.support.waiting import wait_until

FOLDER = Path(__file__).parent
FLOW = FOLDER.parents[2] / "docs" / "recipes" / "node-red-flow.json"
USERNAME, PASSWORD = "call-events", "pässword of the flow"


class NodeRed:
    """A Node-RED with the flow, whose debug node also writes to its output."""

    def __init__(self, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{find_free_port()}"
        self._output = folder / "output.txt"
        self._write_files(folder)
        program = FOLDER / "node_modules" / "node-red" / "red.js"
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [node_tools.NODE, program, "--userDir", folder],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        wait_until(self._is_ready, "Node-RED", DEADLINE_SECONDS)

    def read(self) -> str:
        """Return what its debug node has shown so far."""
        return self._output.read_text()

    def close(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(DEADLINE_SECONDS)

    def _write_files(self, folder: Path) -> None:
        nodes = json.loads(FLOW.read_text())
        for node in nodes:
            if node["type"] == "debug":
                node["console"] = True
        (folder / "flow.json").write_text(json.dumps(nodes))
        hashed = node_tools.run_node(
            "-e",
            f"console.log(require('bcryptjs').hashSync({json.dumps(PASSWORD)}, 8))",
            cwd=FOLDER,
        )
        settings = {
            "uiHost": "127.0.0.1",
            "uiPort": int(self.url.rpartition(":")[2]),
            "flowFile": "flow.json",
            "httpAdminRoot": False,
            "credentialSecret": False,
            "httpNodeAuth": {"user": USERNAME, "pass": hashed.strip()},
        }
        (folder / "settings.js").write_text(f"module.exports = {json.dumps(settings)}\n")

    def _is_ready(self) -> bool:
        assert self._process.poll() is None, self.read()
        try:
            # Before the flow runs, there is no such path.
            status = requests.post(f"{self.url}/call-events", json={}, timeout=5).status_code
        except requests.RequestException:
            return False
        return status == requests.codes.unauthorized


@pytest.fixture
def node_red(tmp_path: Path) -> Iterator[NodeRed]:
    """A running Node-RED."""
    node_tools.install(FOLDER)
    folder = tmp_path / "node-red"
    folder.mkdir()
    found = NodeRed(folder)
    yield found
    found.close()


def test_flow_gets_all_events(line: Line, node_red: NodeRed) -> None:
    """Its switch knows each type of event; names come as they are; the password is checked."""
    answers = {"address": node_red.url, "username": USERNAME, "password": PASSWORD}
    line.add("node-red", answers)
    name = 'Ștefan "S" & Söhne {CallID} 🤙'
    line.report("dialin", "101", caller_name=name)
    line.report("answerin", "101")
    line.report("hangup", "101", cause=16, duration=42)
    line.report("dialout", "102", call="c2")
    line.report("answerout", "102", call="c2")
    events = ("dial-in", "answer-in", "hangup", "dial-out", "answer-out")
    wait_until(lambda: all(f"EventType: '{one}'" in node_red.read() for one in events), "events")
    shown = node_red.read()
    assert f"CallerIDNum: '{CALLER}'" in shown
    assert name in shown
    wait_until(lambda: find_errors() == {}, "the outcomes")


def test_wrong_password_fails_with_its_status(line: Line, node_red: NodeRed) -> None:
    """The deliveries say what Node-RED answered."""
    line.add("node-red", {"address": node_red.url, "username": USERNAME, "password": "wrong"})
    line.report("dialin", "101")
    wait_until(lambda: bool(find_errors().get(DeliveryState.PENDING, [""])[0]), "the answer")
    [error] = find_errors()[DeliveryState.PENDING]
    assert "401" in error

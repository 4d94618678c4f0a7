"""The lines of the 'Connect' page, pasted into the files that come with Asterisk and FreeSWITCH."""

import html
import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from xml.etree import ElementTree

import pytest

from callevents.db.models import Pbx
from tests.support.programs import ROOT
from tests.web.conftest import Visitor

#: What counts of Asterisk's configs/samples/manager.conf.sample, in our words: one [general] with
#: `enabled = no`, and an account as a comment.
MANAGER_CONF = """\
; Manager interface
;
[general]
enabled = no
;webenabled = yes

port = 5038
bindaddr = 0.0.0.0

;tlsenable=no
;-- a block
[general]
enabled = yes
--;
;[mark]
;secret = mysecret
"""
#: The same of Asterisk's configs/samples/extensions.conf.sample: one [globals], with a variable.
EXTENSIONS_CONF = """\
[general]
static=yes
writeprotect=no
clearglobalvars=no
[globals]
CONSOLE=Console/dsp
;TRUNK=DAHDI/G2
[dundi-e164-canonical]
[default]
include => demo
"""
#: The same of FreePBX's generated extensions_additional.conf, with %s for globals_custom.conf.
FREEPBX_EXTENSIONS_CONF = """\
[globals]
ASTETCDIR = /etc/asterisk
%s

;end of [globals]
[from-internal]
include => from-internal-custom
"""
#: The same of FreeSWITCH's acl.conf.xml.
ACL_CONF = """\
<configuration name="acl.conf" description="Network Lists">
  <network-lists>
    <list name="lan" default="allow"><node type="deny" cidr="192.168.42.0/24"/></list>
    <list name="domains" default="deny"><node type="allow" domain="$${domain}"/></list>
  </network-lists>
</configuration>
"""
OWN_ADDRESS = "192.0.2.10"

Sections = list[tuple[str, dict[str, str]]]


def read_asterisk(text: str) -> Sections:
    """Return the sections as main/config.c of Asterisk reads them.

    `[name](+)` adds to the first section of this name, and is an error without one. Any other
    header begins a section, also with a name that is there already.
    """
    sections: Sections = []
    for line in re.sub(r";--.*?--;", "", text, flags=re.DOTALL).splitlines():
        words = line.partition(";")[0].strip()
        if header := re.fullmatch(r"\[(.+)\](\(\+\))?", words):
            if header[2]:
                current = next(values for name, values in sections if name == header[1])
            else:
                sections.append((header[1], current := {}))
        elif words:
            name, _, value = words.partition("=")
            current[name.strip()] = value.strip().removeprefix(">").strip()
    return sections


def load_manager(text: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Return the settings and the accounts as main/manager.c of Asterisk takes them.

    The settings are those of the first [general]; every other section is an account.
    """
    sections = read_asterisk(text)
    general = next(values for name, values in sections if name == "general")
    return general, {name: values for name, values in sections if name != "general"}


def copy_snippet(visitor: Visitor, slug: str, title: str) -> str:
    """Return the text of a snippet, as the page shows it."""
    page = visitor.get(f"/pbxs/head-office/connect?type={slug}").text
    found = re.search(rf'aria-label="Snippet: {title}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found
    return html.unescape(found[1]).replace("ADDRESS-OF-CALL-EVENTS", OWN_ADDRESS)


def check_manager(general: dict[str, str], accounts: dict[str, dict[str, str]]) -> None:
    """Check that AMI is on, that the port is kept, and that there is one account."""
    assert general | {"enabled": "yes", "port": "5038", "timestampevents": "yes"} == general
    assert list(accounts) == ["callevents"]
    account = accounts["callevents"]
    assert account["secret"]
    assert (account["read"], account["write"]) == ("call,agent", "reporting")
    assert (account["deny"], account["permit"]) == (
        "0.0.0.0/0.0.0.0",
        f"{OWN_ADDRESS}/255.255.255.255",
    )


def test_a_second_general_section_changes_nothing() -> None:
    """As on a running Asterisk: AMI stays off."""
    general, _accounts = load_manager(MANAGER_CONF + "[general]\nenabled = yes\n")
    assert general["enabled"] == "no"


def test_lines_for_manager_conf(admin: Visitor, pbx: Pbx) -> None:
    """Pasted at the end of Asterisk's own manager.conf, AMI is on and the account there."""
    check_manager(*load_manager(MANAGER_CONF + copy_snippet(admin, "asterisk", "Account in .*?")))


def test_lines_do_not_open_ami(admin: Visitor, pbx: Pbx) -> None:
    """An AMI that listens on this machine only still does."""
    local = MANAGER_CONF.replace("bindaddr = 0.0.0.0", "bindaddr = 127.0.0.1")
    general, _accounts = load_manager(local + copy_snippet(admin, "asterisk", "Account in .*?"))
    assert general["bindaddr"] == "127.0.0.1"


def test_lines_for_a_file_that_is_included(admin: Visitor, pbx: Pbx) -> None:
    """Included after another account, as by FreePBX, the lines still belong to [general]."""
    account = "[cron]\nsecret = mysecret\nread = system\n"
    snippet = copy_snippet(admin, "asterisk", "Account in .*?")
    general, accounts = load_manager(MANAGER_CONF + account + snippet)
    assert accounts.pop("cron") == {"secret": "mysecret", "read": "system"}
    check_manager(general, accounts)


def test_lines_of_the_document() -> None:
    """The account alone, and the settings in the [general] that is there, or added to it."""
    page = (ROOT / "docs" / "asterisk.md").read_text()
    blocks = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    account, settings, tls = (block for block in blocks if "queues.conf" not in block)
    inserted = MANAGER_CONF.replace("enabled = no\n", settings + tls, 1)
    for text in (
        f"{inserted}\n{account}",
        f"{MANAGER_CONF}\n{account}\n[general](+)\n{settings}{tls}",
    ):
        general, accounts = load_manager(text)
        check_manager(general, accounts)
        assert general["tlsenable"] == "yes"


def load_globals(text: str) -> dict[str, str]:
    """Return the variables as pbx/pbx_config.c of Asterisk takes them: of the first [globals]."""
    return next(values for name, values in read_asterisk(text) if name == "globals")


def list_contexts(text: str) -> list[str]:
    """Return the names of the contexts: all sections but the two special ones."""
    return [name for name, _ in read_asterisk(text) if name not in {"general", "globals"}]


OWN_CONTEXTS = (
    "from-extensions",
    "callevents-called",
    "callevents-answer",
    "callevents-hangup",
    "callevents",
)


def test_a_second_globals_section_sets_nothing() -> None:
    """As on a running Asterisk: the variable stays empty, and nothing is reported."""
    assert load_globals(EXTENSIONS_CONF + "[globals]\nCALLEVENTS=x\n") == {"CONSOLE": "Console/dsp"}


def test_lines_for_extensions_conf(admin: Visitor, pbx: Pbx) -> None:
    """Pasted at the end of Asterisk's own extensions.conf, the URL and all contexts are there."""
    text = EXTENSIONS_CONF + copy_snippet(admin, "asterisk", "Dialplan")
    url = "http://localhost/ingest/head-office?token=TOKEN"
    assert load_globals(text) == {"CONSOLE": "Console/dsp", "CALLEVENTS": url}
    assert list_contexts(text) == ["dundi-e164-canonical", "default", *OWN_CONTEXTS]


def test_lines_for_freepbx(admin: Visitor, pbx: Pbx) -> None:
    """The line alone in globals_custom.conf, and the contexts in extensions_custom.conf."""
    snippet = copy_snippet(admin, "asterisk", "Dialplan")
    [line] = re.findall(r"^CALLEVENTS=.*$", snippet, re.MULTILINE)
    contexts = snippet.replace(f"[globals](+)\n{line}\n", "")
    text = FREEPBX_EXTENSIONS_CONF % line + contexts
    assert load_globals(text)["CALLEVENTS"].startswith("http://localhost/ingest/head-office?")
    assert list_contexts(text) == ["from-internal", *OWN_CONTEXTS]


def test_lines_for_extensions_conf_of_the_document() -> None:
    """The part that sends the report, pasted at the end of Asterisk's own extensions.conf."""
    page = (ROOT / "docs" / "ingest.md").read_text()
    [block] = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)
    text = EXTENSIONS_CONF + block
    assert "CALLEVENTS" in load_globals(text)
    assert list_contexts(text)[-1] == "callevents"


def read_socket(text: str) -> tuple[dict[str, str], ElementTree.Element]:
    """Return the parameters of the event socket, and acl.conf.xml with the list pasted into it."""
    root = ElementTree.fromstring(f"<page>{text}</page>")
    [settings], [network_list] = root.findall(".//settings"), root.findall(".//list")
    acl = ElementTree.fromstring(ACL_CONF)
    acl[0].append(network_list)
    return {one.attrib["name"]: one.attrib["value"] for one in settings}, acl


def admits(acl: ElementTree.Element, name: str, address: str) -> bool:
    """Return True if FreeSWITCH's list of this name admits the address."""
    [found] = [one for one in acl[0] if one.attrib["name"] == name]
    fitting = [
        node.attrib["type"]
        for node in found
        if ip_address(address) in ip_network(node.attrib["cidr"])
    ]
    return (fitting or [found.attrib["default"]])[-1] == "allow"


@pytest.mark.parametrize("source", ["page", "document"])
def test_lines_for_freeswitch(admin: Visitor, pbx: Pbx, source: str) -> None:
    """Call Events may connect, and so may fs_cli and FusionPBX on the machine; others may not."""
    text = copy_snippet(admin, "freeswitch", "Event socket")
    if source == "document":
        text = "".join(read_blocks(ROOT / "docs" / "freeswitch.md")[:2])
    parameters, acl = read_socket(text)
    assert (parameters["listen-ip"], parameters["listen-port"]) == ("0.0.0.0", "8021")
    assert parameters["password"] != "ClueCon"
    name = parameters["apply-inbound-acl"]
    admitted = {
        address: admits(acl, name, address)
        for address in (OWN_ADDRESS, "127.0.0.1", "::1", "192.0.2.11", "2001:db8::1")
    }
    assert admitted == {
        OWN_ADDRESS: True,
        "127.0.0.1": True,
        "::1": True,
        "192.0.2.11": False,
        "2001:db8::1": False,
    }


def read_blocks(path: Path) -> list[str]:
    """Return the XML blocks of a document."""
    return re.findall(r"```xml\n(.*?)```", path.read_text(), re.DOTALL)

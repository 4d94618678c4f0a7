"""Calls on an Asterisk in a few words."""

from tests.vendors.asterisk.simulator import Asterisk, Channel


def call_from_outside(pbx: Asterisk, extension: str = "101") -> tuple[Channel, Channel]:
    """Make an outside call to an extension, which answers."""
    trunk = pbx.begin("PJSIP/trunk", "5551001", number="0612345678")
    phone = pbx.begin(f"PJSIP/{extension}", "s", state="0", parent=trunk)
    pbx.dial(trunk, phone, exten=extension)
    pbx.answer(trunk, phone)
    return trunk, phone


def call_inside(pbx: Asterisk, caller: str, called: str) -> tuple[Channel, Channel]:
    """Have an extension call another, which rings."""
    one = pbx.begin(f"PJSIP/{caller}", called)
    other = pbx.begin(f"PJSIP/{called}", "s", state="0", parent=one)
    pbx.dial(one, other)
    return one, other

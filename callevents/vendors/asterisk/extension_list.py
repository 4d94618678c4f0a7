"""AMI actions that list phones, and parsing of their entries."""

from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.fields import Message, text_of

DEVICES = "callevents-devices"
#: By action ID. The first needs the class `system`, which also permits changes; for the others,
#: `reporting` is enough.
ACTIONS = {
    "callevents-endpoints": "PJSIPShowEndpoints",
    "callevents-peers": "SIPpeers",
    DEVICES: "DeviceStateList",
}
#: Technologies whose devices are phones or trunks, as opposed to queues or parking lots.
_PHONES = {"PJSIP", "SIP", "IAX2", "SCCP"}
#: An error that means an empty list.
NO_ENDPOINTS = "No endpoints found"
#: Prefix of the error if the module of a list is not loaded.
UNKNOWN_ACTION = "Invalid/unknown command"


def read_entry(message: Message) -> Listed | None:
    """Return the phone of an entry; None for other entries."""
    kind = message.get("Event")
    if kind in {"EndpointList", "PeerEntry"}:
        return Listed(text_of(message, "ObjectName"), name=text_of(message, "Description"))
    technology, _, number = text_of(message, "Device").partition("/")
    # A device that a hint names and that does not exist is INVALID.
    if kind == "DeviceStateChange" and technology in _PHONES and message.get("State") != "INVALID":
        return Listed(number)
    return None


def is_end(message: Message) -> bool:
    """Return True if the message ends a list."""
    return message.get("Event", "").endswith("Complete")

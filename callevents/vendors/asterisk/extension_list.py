"""The actions of AMI that list phones, and the entries of their lists."""

from callevents.vendors.tracking.extension_list import Listed
from callevents.vendors.tracking.fields import Message, text_of

#: By their ids. The first needs the class `system`, which may also change things; for the others
#: `reporting` is enough.
ACTIONS = {
    "callevents-endpoints": "PJSIPShowEndpoints",
    "callevents-peers": "SIPpeers",
    "callevents-devices": "DeviceStateList",
}
#: Technologies whose devices are phones or trunks, and not queues, parking places and the like.
_PHONES = {"PJSIP", "SIP", "IAX2", "SCCP"}
#: An error that is an empty list.
NO_ENDPOINTS = "No endpoints found"
#: How it begins when Asterisk, without the module, has no such list.
UNKNOWN_ACTION = "Invalid/unknown command"


def read_entry(message: Message) -> Listed | None:
    """Return the phone of an entry, None for an entry of something else."""
    kind = message.get("Event")
    if kind in {"EndpointList", "PeerEntry"}:
        return Listed(text_of(message, "ObjectName"), name=text_of(message, "Description"))
    technology, _, number = text_of(message, "Device").partition("/")
    # Asterisk calls invalid what a hint names and nothing has.
    if kind == "DeviceStateChange" and technology in _PHONES and message.get("State") != "INVALID":
        return Listed(number)
    return None


def is_end(message: Message) -> bool:
    """Tell whether the message ends a list."""
    return message.get("Event", "").endswith("Complete")

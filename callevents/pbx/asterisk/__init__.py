"""Asterisk's Manager Interface (AMI), version 12 and newer of Asterisk."""

from callevents.pbx.asterisk.messages import AmiParser, is_message
from callevents.pbx.asterisk.tracker import AsteriskTracker

__all__ = ["AmiParser", "AsteriskTracker", "is_message"]

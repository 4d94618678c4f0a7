"""Asterisk's Manager Interface (AMI), version 12 and newer of Asterisk."""

from callevents.pbx.asterisk.messages import AmiParser, is_message, write_message
from callevents.pbx.asterisk.session import AmiSession
from callevents.pbx.asterisk.tracker import CLOCK, AsteriskTracker

__all__ = ["CLOCK", "AmiParser", "AmiSession", "AsteriskTracker", "is_message", "write_message"]

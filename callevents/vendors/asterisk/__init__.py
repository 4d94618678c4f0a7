"""Asterisk's Manager Interface (AMI), version 12 and newer of Asterisk."""

from callevents.vendors.asterisk.ami import AmiParser, is_message, write_message
from callevents.vendors.asterisk.session import AmiSession
from callevents.vendors.asterisk.tracker import CLOCK, AsteriskTracker

__all__ = ["CLOCK", "AmiParser", "AmiSession", "AsteriskTracker", "is_message", "write_message"]

"""Asterisk's Manager Interface (AMI), from Asterisk 13 on."""

from callevents.vendors.asterisk.ami import AmiParser
from callevents.vendors.asterisk.session import AmiSession
from callevents.vendors.asterisk.tracker import AsteriskTracker

__all__ = ["AmiParser", "AmiSession", "AsteriskTracker"]

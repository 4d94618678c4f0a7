"""Listening to PBXs: real servers of both kinds on sockets, and the listener that connects."""

"""The listener with real servers of both kinds of PBX on sockets."""

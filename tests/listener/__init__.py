"""The listener process, with test servers for both PBX types on sockets."""

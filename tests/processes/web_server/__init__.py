"""The web server on real sockets: its event loop, its protocol, how it stops."""

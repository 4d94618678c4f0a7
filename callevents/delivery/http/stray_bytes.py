"""Finds bytes that a receiver sent without being asked, which would pass for the next response."""

import select
import socket
import struct

#: tcpi_bytes_received in Linux's struct tcp_info.
_RECEIVED_OFFSET = 128
_HAS_TCP_INFO = hasattr(socket, "TCP_INFO")


def is_readable(sock: int) -> bool:
    """Return True if the connection has unread bytes, or was closed."""
    poller = select.poll()
    poller.register(sock, select.POLLIN)
    return bool(poller.poll(0))


def count_received(sock: int) -> int | None:
    """Return how many bytes have arrived on the connection, None if the system does not say.

    Bytes that OpenSSL has read ahead are not unread. But a response that is there although nothing
    has arrived since its request was sent, is not the response to that request.
    """
    if not _HAS_TCP_INFO:
        return None
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM, fileno=sock)
    try:
        info = opened.getsockopt(
            socket.IPPROTO_TCP, socket.TCP_INFO, _RECEIVED_OFFSET + struct.calcsize("Q")
        )
    finally:
        opened.detach()  # It is libcurl's.
    return int(struct.unpack_from("Q", info, _RECEIVED_OFFSET)[0])

"""Intervals and delays of a listener."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Timings:
    """How often a listener looks for work, and how long it waits after failures."""

    #: Interval in which new, changed and released connectors are noticed.
    poll_seconds: float = 0.5
    #: First delay of the backoff.
    initial_delay_seconds: float = 1.0
    #: The first reconnection after a working connection has no delay, at most once in this time.
    immediate_interval_seconds: float = 10.0
    #: Longest delay while the port is closed: an attempt costs little, and the PBX may be starting.
    closed_port_max_seconds: float = 15.0
    #: Minimum delay after a refused login: PBXs lock out addresses that try wrong passwords.
    refused_delay_seconds: float = 30.0
    #: Minimum interval between notices of a connection that works.
    notice_interval_seconds: float = 60.0
    #: Interval between requests for the extension list.
    request_interval_seconds: float = 3600.0
    #: Delay before another request if the list after a login is empty: modules may be loading.
    empty_list_retry_seconds: float = 30.0


DEFAULT_TIMINGS = Timings()

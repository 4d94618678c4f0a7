"""The tests. A test of `callevents/X/y.py` is in `tests/X/test_y*.py`.

These folders cross the packages of `callevents`:

- `browser`: the pages in a real Chromium, with and without JavaScript.
- `documents`: the documents are complete, and the code that they show works.
- `faults`: processes are killed and connections are cut under load. A command: `make faults`.
- `fuzz`: malformed messages for every parser of PBX messages. A command: `make fuzz`.
- `journeys`: from a PBX's report to the receiver, through the real processes.
- `sip`: real SIP calls of sipp through Kamailio.
- `support`: what several folders share: servers, databases, processes, log capture.
- `traces`: streams and requests that real PBXs sent, recorded.

Migrations, databases, Valkey and receivers are real.
"""

"""Starts a simulated receiver by hand: `python -m tests.recipes.simulated zammad --port 8200`."""

import argparse
import threading

from tests.recipes.simulated import SIMULATED
from tests.recipes.simulated.base import Simulated, listen
from tests.support.receiver import Arrival, Reply


def print_exchange(simulated: Simulated, arrival: Arrival) -> Reply:
    """Print the request and the response; return the response."""
    reply = simulated(arrival)
    print(f"{arrival.method} {arrival.target}")  # noqa: T201  # a command's output
    print(arrival.body)  # noqa: T201
    print(f"-> {reply.status} {reply.body.decode()}", flush=True)  # noqa: T201
    return reply


def main() -> None:
    """Serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m tests.recipes.simulated")
    parser.add_argument("name", choices=sorted(SIMULATED))
    parser.add_argument("--port", type=int, default=8200)
    arguments = parser.parse_args()
    simulated = SIMULATED[arguments.name]()
    receiver = listen(simulated, arguments.port)
    receiver.reply = lambda arrival: print_exchange(simulated, arrival)
    print(f"A simulated {arguments.name} listens at {receiver.url}. Its answers:")  # noqa: T201
    for name, value in simulated.answers_at(receiver.url).items():
        print(f"  --set {name}={value}")  # noqa: T201
    print("Ctrl-C stops it.", flush=True)  # noqa: T201
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        receiver.close()


if __name__ == "__main__":
    main()

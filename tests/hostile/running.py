"""Runs a group of attacks."""

import os
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tests.hostile.arena import Arena, Attack
from tests.hostile.verdict import (
    MAX_DESCRIPTORS,
    MAX_GROWTH_MB,
    Verdict,
    judge_processes,
)
from tests.support.waiting import wait_until

#: Of one attack: failures that are listed, and after which it ends.
MAX_SHOWN = 3
MAX_FAILURES = 20
MAX_LENGTH = 400
NICE = 10
#: Time of the load beside a group.
SHORTEST_SECONDS = 0.5
#: How long the product may take to close what strangers have left.
REST_SECONDS = 15.0


def run_group(arena: Arena, attacks: Sequence[Attack], verdict: Verdict) -> Sequence[Attack]:
    """Run the attacks one after the other; return those that are left if one broke the product."""
    verdict.quiet_seconds += arena.take_quiet()
    began, traces = time.monotonic(), arena.product.count_traces()
    left = list(attacks)
    while left:
        verdict.attacks += 1
        attack = left.pop(0)
        with ThreadPoolExecutor(1, initializer=step_back) as thread:
            thread.submit(run_attack, arena, attack, verdict).result()
        if not arena.product.is_healthy():
            verdict.complaints.append(f"/healthz does not answer after {_name(attack)!r}")
            break
    verdict.duration += time.monotonic() - began
    # Some attacks are over before the next report.
    time.sleep(max(0.0, began + SHORTEST_SECONDS - time.monotonic()))
    _judge(arena, verdict, traces)
    return left


def step_back() -> None:
    """Leave the processor to the product: strangers have machines of their own.

    With Linux, only this thread and those that it starts get a lower priority.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


def run_attack(arena: Arena, attack: Attack, verdict: Verdict) -> None:
    """Run one attack; anything that stops it is a failure."""
    name = _name(attack)
    failures = 0
    try:
        for case in attack(arena):
            verdict.cases += 1
            verdict.held += not case.complaint
            if case.complaint:
                failures += 1
                if failures <= MAX_SHOWN:
                    verdict.failures.append(f"{name}: {_cut(case.name)}: {_cut(case.complaint)}")
            if failures == MAX_FAILURES:
                verdict.failures.append(f"{name}: ended after {failures} failures")
                break
    except (OSError, AssertionError) as error:
        verdict.cases += 1
        verdict.failures.append(f"{name}: broke off: {type(error).__name__}: {error}")


def _cut(text: str) -> str:
    """Return the text without its middle if it is long."""
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]} ..."


def _name(attack: Attack) -> str:
    return attack.__name__.replace("_", " ")


def _judge(arena: Arena, verdict: Verdict, traces: int) -> None:
    product = arena.product
    record = arena.load.take()
    verdict.events += len(record.accepted)
    verdict.seconds += record.seconds
    verdict.complaints += [f"{what} ({n} x)" for what, n in record.complaints.items()]
    if not record.accepted:
        verdict.complaints.append("no event was accepted meanwhile")

    def is_at_rest() -> bool:
        verdict.growth_mb = product.memory_mb() - arena.memory_mb
        new = product.count_descriptors() - arena.descriptors
        return new <= MAX_DESCRIPTORS and verdict.growth_mb <= MAX_GROWTH_MB

    with suppress(AssertionError):
        wait_until(is_at_rest, "rest", REST_SECONDS)
    judge_processes(
        verdict,
        descriptors=product.count_descriptors() - arena.descriptors,
        traces=product.count_traces() - traces,
        restarted=product.has_restarted(),
    )

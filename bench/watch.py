"""CPU time and peak memory of the processes of the system under test."""

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

import psutil

SAMPLE_SECONDS = 1.0

FindProcesses = Callable[[], Iterable[psutil.Process]]


def cpu_seconds(processes: Iterable[psutil.Process]) -> float:
    """Return the CPU time of the processes and of their ended children."""
    total = 0.0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])
    return total


def memory_mib(processes: Iterable[psutil.Process]) -> float:
    """Return the memory of the processes together; shared pages count once."""
    return sum(_memory_bytes(process.pid) for process in processes) / 2**20


def _memory_bytes(pid: int) -> int:
    """Return the process's proportional set size, or its resident size if that is unknown."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    with suppress(psutil.NoSuchProcess):
        return int(psutil.Process(pid).memory_info().rss)
    return 0


class Watch:
    """Measures processes while a block runs: `cpu_seconds` and `peak_mib`."""

    def __init__(self, find: FindProcesses) -> None:
        self._find = find
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self.cpu_seconds = 0.0
        self.peak_mib = 0.0

    def __enter__(self) -> "Watch":
        self.cpu_seconds = -cpu_seconds(self._find())
        self._thread.start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self.cpu_seconds += cpu_seconds(self._find())

    def per_thousand(self, events: int) -> float:
        """Return the CPU seconds for 1,000 of these events."""
        return self.cpu_seconds / max(events, 1) * 1000

    def _sample(self) -> None:
        while not self._ended.wait(SAMPLE_SECONDS):
            self.peak_mib = max(self.peak_mib, memory_mib(self._find()))


def machine() -> str:
    """Return a one-line description of this machine."""
    memory = psutil.virtual_memory().total / 2**30
    cores = os.process_cpu_count() if hasattr(os, "process_cpu_count") else os.cpu_count()
    return f"{cores} cores ({_cpu_model()}), {memory:.0f} GiB of memory, {os.uname().sysname}"


def _cpu_model() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return os.uname().machine

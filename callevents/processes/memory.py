"""Memory in processes that run for long."""

import ctypes
import gc

# mallopt's parameters, from glibc's malloc.h.
_M_MMAP_THRESHOLD = -3
_M_ARENA_MAX = -8

_MAX_ARENAS = 2
_MMAP_BYTES = 128 * 1024


def prepare_memory() -> None:
    """Set the memory allocator and the garbage collector for a process that runs for long.

    Call it when everything is imported and before threads start.
    """
    _set_allocator()
    _freeze_startup()


def _freeze_startup() -> None:
    """Exempt all objects that exist now, those of modules and the application, from collection.

    They live as long as the process. Looking through them stopped all threads for 80 ms at a time.
    """
    gc.collect()
    gc.freeze()


def _set_allocator() -> None:
    """Let glibc return memory to the system: few arenas, and long blocks mapped singly.

    By default each thread gets an arena that keeps what its largest request once needed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return  # Another C library, which has no arenas.
    mallopt(_M_ARENA_MAX, _MAX_ARENAS)
    mallopt(_M_MMAP_THRESHOLD, _MMAP_BYTES)

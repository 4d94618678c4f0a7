"""The queue of workers, and how they are woken."""

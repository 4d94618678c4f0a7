"""Simple alternatives for comparison: Flask that passes each event to a task queue."""

"""The supervisor with real processes: start, restart, stop."""

"""The supervisor: runs all processes on one machine."""

"""The listener process: follows the event streams of PBXs."""

"""The use cases and what they rest on: reports, hooks, PBXs, users, settings, models."""

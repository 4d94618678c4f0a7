"""The history: what is recorded, read, exported, mirrored and removed."""

"""Settings: how they are read and checked."""

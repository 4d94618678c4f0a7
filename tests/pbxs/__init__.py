"""PBXs: tokens, extensions, connectors, suggestions."""

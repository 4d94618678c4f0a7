"""The configuration as one document: PBXs, extensions, requests, connectors, without secrets."""

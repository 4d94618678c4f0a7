"""The routes for programs: ingest and health."""

"""Tests of the API routes: ingest, health checks and metrics."""

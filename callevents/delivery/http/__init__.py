"""HTTP client for receivers: address check, connection pool, deadlines."""

"""The tests: real migrations, a real Valkey, a real PostgreSQL, real receivers on sockets."""

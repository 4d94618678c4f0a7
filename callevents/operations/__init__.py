"""Operations: overview, statistics, heartbeats, retention, notifications, key rotation."""

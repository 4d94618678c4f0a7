"""What workers do besides delivering: statistics, heartbeat, retention, notices."""

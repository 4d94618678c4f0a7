"""What workers do beside delivering."""

"""What workers do beside delivering: tell that they live, and remove what is old."""

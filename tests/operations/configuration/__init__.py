"""Export and import of the configuration."""

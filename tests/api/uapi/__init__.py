"""VoipNow's UnifiedAPI."""

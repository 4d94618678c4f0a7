"""Changes of many hooks at once: preview, apply, undo."""

"""The pages without a browser: what they show, change, and refuse."""

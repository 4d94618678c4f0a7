"""From a report to a stored call event: read, complete, accept, commit."""

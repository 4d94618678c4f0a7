"""From a stored delivery to an attempt: claim, share, send, record, retry."""

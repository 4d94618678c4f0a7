"""Processes: web server, worker, listener, and the supervisor that runs all of them."""

"""The processes of Call Events: the supervisor, the web server, the worker, the listener."""

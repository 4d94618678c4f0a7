"""Reports of each vendor: examples of their documents, recorded streams, hostile messages."""

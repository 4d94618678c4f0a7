"""Server side of the pages: database statements, access and hostile input."""

"""Code that several folders of tests share: servers, databases, processes, log capture."""

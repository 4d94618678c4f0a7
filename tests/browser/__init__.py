"""The pages in a real browser, with and without JavaScript."""

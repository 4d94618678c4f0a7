"""The request of a delivery: URL, placeholders, parameters, signature."""

"""The HTTP request of a delivery: target URL, placeholders, body, signature, masking."""

"""The delivery log: filters, pages, lookups, resend and cancel."""

"""The delivery log: filters, pages, and sending again."""

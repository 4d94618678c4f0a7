"""Views: one module for each template folder."""

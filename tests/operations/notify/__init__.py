"""Notices of suspended hooks, by e-mail and by HTTP."""

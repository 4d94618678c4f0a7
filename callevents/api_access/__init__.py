"""Access of programs: API tokens, OAuth 2.0 apps and their tokens, and what each may do."""

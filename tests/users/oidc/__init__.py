"""Single sign-on: what a provider's answers prove, and which user they sign in."""

"""Single sign-on: what a provider's answers prove, and whom they sign in."""

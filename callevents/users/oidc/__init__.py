"""Single sign-on by OpenID Connect: the code flow with PKCE, and users from a provider's claims."""

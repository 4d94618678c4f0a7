"""Users: accounts, passwords, sign-in and sessions."""

"""The attacks, one module for each kind; each has a name and says what it would break."""

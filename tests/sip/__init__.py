"""Real SIP calls: sipp calls through Kamailio, which reports them with our snippet."""

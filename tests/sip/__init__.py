"""Real SIP calls: sipp calls through Kamailio, which reports them as its page's lines say."""

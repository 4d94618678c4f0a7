"""One HTTP request over real sockets: addresses, TLS, proxies, responses, failures."""

"""Sans-I/O clients, each from its bytes alone."""

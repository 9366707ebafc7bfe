"""A server with known faults, and the commands that show what the instrument makes of them."""

"""The fault server and what the instrument makes of its faults."""

"""Real servers that are not ours, beside ours in one run: `make targets`."""

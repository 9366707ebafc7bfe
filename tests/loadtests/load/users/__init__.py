"""The generator: pure parts in this process, whole runs as processes of their own."""

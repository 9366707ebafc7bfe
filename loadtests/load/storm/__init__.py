"""The clients of a storm: thousands of connections in one loop, each with its history checked and its own back-off.

Locust's users measure a steady load. In a storm every client connects at once, and a greenlet for each would make the
generator the bottleneck.
"""

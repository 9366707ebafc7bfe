"""Stand-ins for servers that can't be installed here, each by its protocol's documents, and strict about them.

They show that an adapter speaks the wire form, not how such a server performs.
"""

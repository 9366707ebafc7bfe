"""Locust users and the generator process: who waits for which socket, who publishes when, what is recorded.

The only package that imports Locust (which monkey-patches the process) and gevent.
"""

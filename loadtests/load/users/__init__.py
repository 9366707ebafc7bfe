"""Locust users and the generator process: sockets in gevent's hub, publishing by schedule, recording.

The only package that imports Locust (which monkey-patches the process) and gevent.
"""

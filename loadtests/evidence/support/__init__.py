"""Which browsers can speak which transport, from published compatibility data: never from memory.

`facts.json` is made by `python -m loadtests.evidence.support` from two npm packages and committed with their versions.
No server, no client and no Locust here.
"""

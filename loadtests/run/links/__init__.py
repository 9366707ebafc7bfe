"""Emulated links: what is asked for, how it is made, and how exact it came out. No transport is known here."""

"""Faults on purpose: real servers, a real Redis, a proxy that breaks connections, and a checker that counts."""

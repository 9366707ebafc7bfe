"""Whether the browsers examined here take HTTP/2 pushes."""

from __future__ import annotations

from loadtests.report.verdicts.evidence import Evidence

ENABLE_PUSH = "h2push.enable_push"
"""What the browser told the server in its SETTINGS: 0 refuses (RFC 9113 section 6.5.2)."""


def refusing(evidence: Evidence) -> list[str]:
    """Return the browsers that told the server not to push; empty where one took it or none was asked."""
    asked = [browser for browser in evidence.browsers if browser.found.get(ENABLE_PUSH) is not None]
    refused = [browser.name.capitalize() for browser in asked if browser.found[ENABLE_PUSH] == 0]
    return refused if len(refused) == len(asked) else []

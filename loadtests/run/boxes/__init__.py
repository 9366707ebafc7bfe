"""Middleboxes as data: one TOML file for each program, read and checked, with what is filled in before a start.

`<<listen>>`, `<<upstream>>`, `<<folder>>`, `<<idle_s>>`, `<<python>>` and `<<user>>` stand for the run's own values;
`<<settings:PLACE>>` for the settings that a box is told in that place. `idle` is put in place of `<<idle>>` in a scaled
run only: the box's own timeouts are too long to wait for.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from loadtests.records.errors import ScenarioError
from loadtests.records.toml_file import TomlFiles

PROBLEMS = ("refused", "held", "late", "cut", "origin")
SERVER = "server"
"""The place of settings that are not the box's own."""

_PLACE = re.compile(r"<<settings:(\w+)>>")


class Setting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to tell a box, or the server behind it, and what it cures."""

    text: str  # as it stands in the configuration
    cures: tuple[str, ...]  # of PROBLEMS
    why: str  # in a few words, for the documentation
    source: str = ""  # of the documentation it is from
    place: str = "location"  # where in the configuration; SERVER: `NAME=value` in the server's environment
    needs: str = ""  # what goes with it elsewhere in the configuration
    needs_place: str = ""
    transports: tuple[str, ...] = ()  # empty: all
    variants: tuple[str, ...] = ()  # empty: all


class Variant(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One box of a program: how often it stands in the way, and how it is started."""

    name: str
    about: str = ""
    hops: int = 1
    arguments: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()  # of the server behind it, `NAME=value`
    tls: bool = False
    dense: bool = True  # whether its added latency is measured to the p99


class Program(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One program and its boxes."""

    order: int
    title: str
    program: str  # looked for on the PATH and in /usr/sbin
    package: str  # Debian's
    version: tuple[str, ...]  # arguments that print it
    command: tuple[str, ...]  # without the program
    config: str = ""
    idle: str = ""
    timeout: str = ""  # its own idle timeout, in words
    reload: str = "SIGHUP"
    environment: dict[str, str] = {}
    variants: tuple[Variant, ...]
    settings: tuple[Setting, ...] = ()

    def cures(self, variant: str, transport: str, problems: frozenset[str]) -> tuple[Setting, ...]:
        """The settings for these problems of one transport behind one box."""
        return tuple(
            each
            for each in self.settings
            if problems & set(each.cures)
            and (not each.transports or transport in each.transports)
            and (not each.variants or variant in each.variants)
        )


def _checked(program: Program) -> Program:
    places = {*_PLACE.findall(program.config), "arguments", SERVER}
    for setting in program.settings:
        if unknown := set(setting.cures) - set(PROBLEMS):
            raise ScenarioError(f"cures {sorted(unknown)}; allowed: {', '.join(PROBLEMS)}")
        if setting.place not in places or (setting.needs and setting.needs_place not in places):
            raise ScenarioError(
                f"{setting.text!r} goes to {setting.place!r}; its config has {', '.join(sorted(places))}"
            )
        if setting.place == SERVER and "=" not in setting.text:
            raise ScenarioError(f"{setting.text!r}: NAME=value is allowed for the server")
    return program


FILES = TomlFiles(Path(__file__).parent, Program, "box", ScenarioError, _checked)


def programs() -> tuple[Program, ...]:
    """Return all boxes that come with the lab, in order."""
    return tuple(sorted(map(FILES.read, FILES.named().values()), key=lambda program: program.order))


def configured(program: Program, settings: tuple[Setting, ...], values: dict[str, str], *, scaled: bool) -> str:
    """Return the configuration with settings and values filled in."""
    parts = [(each.place, each.text) for each in settings]
    parts += [(each.needs_place, each.needs) for each in settings if each.needs]
    parts = list(dict.fromkeys(parts))
    text = program.config.replace("<<idle>>", program.idle if scaled else "")
    text = _PLACE.sub(lambda found: "\n".join(line for place, line in parts if place == found[1]), text)
    return filled(text, values)


def filled(text: str, values: dict[str, str]) -> str:
    """Return a text with the run's values in it."""
    for name, value in values.items():
        text = text.replace(f"<<{name}>>", value)
    return text

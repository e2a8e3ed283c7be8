"""The pages of `lamina --help` and `lamina image --help`: every command with its one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.flags import describe
from lamina.cli.verbs import COMMON, GROUPS, QUESTIONS, SURGERY, VERBS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.cli.flags import Command


_PREFACE = """\
Written by `scripts/cli-docs` from `--help`; a test holds it to that. Flags, output and exit codes are
Docker's where Docker has the command; `docs/differences.md` says where not."""


def overview(program: Command) -> str:
    """All commands and the global flags."""
    shown = {*COMMON, *QUESTIONS, *SURGERY}
    blocks = [
        program.usage(),
        program.summary,
        "Common Commands:\n" + _lines((name, VERBS[name].summary) for name in COMMON),
        "Questions (nothing is changed):\n" + _lines((name, VERBS[name].summary) for name in QUESTIONS),
        "Surgery (new images from old ones):\n" + _lines((name, VERBS[name].summary) for name in SURGERY),
        "Management Commands:\n" + _lines((name, group.summary) for name, group in sorted(GROUPS.items())),
        "Commands:\n" + _lines((name, verb.summary) for name, verb in VERBS.items() if name not in shown),
        "Global Options:\n" + describe(program.flags()),
        f"Run '{program.program} COMMAND --help' for more information on a command.",
    ]
    return "\n\n".join(blocks)


def group_page(program: str, name: str) -> str:
    """The commands of one of Docker's management words."""
    group = GROUPS[name]
    lines = _lines((verb, group.verbs[verb].summary) for verb in sorted(group.verbs))
    more = f"Run '{program} {name} COMMAND --help' for more information on a command."
    return f"Usage:  {program} {name} COMMAND\n\n{group.summary}\n\nCommands:\n{lines}\n\n{more}"


def reference() -> str:
    """docs/cli.md: the page of every command, as --help prints it."""
    from lamina.cli.main import PROGRAM, command_of, program  # main imports this module for --help

    known = set(VERBS.values())
    parts = [
        "# The command line",
        _PREFACE,
        _section(PROGRAM, overview(program())),
    ]
    parts += [
        _section(f"{PROGRAM} {name}", command_of(name, verb).help()) for name, verb in sorted(VERBS.items())
    ]
    for name, group in sorted(GROUPS.items()):
        parts.append(_section(f"{PROGRAM} {name}", group_page(PROGRAM, name)))
        own = [(f"{name} {action}", verb) for action, verb in group.verbs.items() if verb not in known]
        parts += [_section(f"{PROGRAM} {path}", command_of(path, verb).help()) for path, verb in own]
        known.update(verb for _, verb in own)  # a group may have two names
    return "\n\n".join(parts) + "\n"


def _section(title: str, text: str) -> str:
    return f"## {title}\n\n```text\n{text}\n```"


def _lines(pairs: Iterable[tuple[str, str]]) -> str:
    rows = list(pairs)
    width = max([12, *(len(name) + 2 for name, _ in rows)])
    return "\n".join(f"  {name.ljust(width)}{summary}" for name, summary in rows)

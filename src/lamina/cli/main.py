"""The program `lamina`: finds the command, imports only that one, runs it; errors become exit codes."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING

from lamina.cli.flags import Command, HelpWanted, UsageError
from lamina.cli.verbs import GROUPS, VERBS, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.cli.session import Session

PROGRAM = "lamina"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    debug = False
    verb = VERBS["version"]
    session: Session | None = None
    try:
        try:
            session, words = _global_flags(words)
            debug = session.debug
            path, verb, words = find(words)
            code = run_verb(session, path, verb, words)
        finally:
            if session is not None:
                session.close()
        sys.stdout.flush()
        return code
    except HelpWanted as wanted:
        print(wanted.text)
        return 0
    except (Exception, KeyboardInterrupt) as error:
        from lamina.cli.errors import report  # a command that ends well does without

        return report(error, debug=debug, ours=verb.own_failures)


def program() -> Command:
    """The flags that come before the command."""
    command = Command(PROGRAM, "", "A container image engine in which layers are the thing you work with")
    command.takes("COMMAND", 0, None)
    command.interspersed = False
    command.option("root", "folder", "Where images, layers and containers are kept (default $LAMINA_ROOT)")
    command.option("snapshotter", "name", "overlay or native (default $LAMINA_SNAPSHOTTER, else what works)")
    command.switch("debug", "Show a traceback when something fails", "D")
    command.switch("version", "Print version information and quit", "v")
    return command


def _global_flags(words: list[str]) -> tuple[Session, list[str]]:
    from lamina.cli.session import Session  # here so that this module loads nothing that help does not need

    try:
        args = program().parse(words)
    except HelpWanted:
        raise HelpWanted(_help()) from None
    if args.on("version"):
        import lamina

        raise HelpWanted(f"Lamina version {getattr(lamina, '__version__', '0.1.0')}")
    if not args.operands:
        raise HelpWanted(_help())
    session = Session(
        os.environ, root=args.text("root"), snapshotter=args.text("snapshotter"), debug=args.on("debug")
    )
    return session, args.operands


def find(words: list[str]) -> tuple[str, Verb, list[str]]:
    """The command that `words` begin with: its path as written, the verb, and the words after it."""
    name, rest = words[0], words[1:]
    if name in VERBS:
        return name, VERBS[name], rest
    group = GROUPS.get(name)
    if group is None:
        raise _unknown(name, f"Run '{PROGRAM} --help' for more information")
    if not rest or rest[0] in ("--help", "-h"):
        raise HelpWanted(_group_help(name))
    action = rest[0] if rest[0] in group.verbs else group.aliases.get(rest[0], rest[0])
    if action not in group.verbs:
        usage = f"Usage:  {PROGRAM} {name} COMMAND\n\nRun '{PROGRAM} {name} --help' for more information"
        raise _unknown(f"{name} {rest[0]}", usage)
    return f"{name} {action}", group.verbs[action], rest[1:]


def _unknown(name: str, usage: str) -> UsageError:
    return UsageError(f"{PROGRAM}: unknown command: {PROGRAM} {name}", usage, 1)


def command_of(path: str, verb: Verb) -> Command:
    """The flags and help of one command."""
    command = Command(PROGRAM, path, verb.summary)
    import_module(f"lamina.cli.commands.{verb.module}").configure(command)
    return command


def run_verb(session: Session, path: str, verb: Verb, words: Sequence[str]) -> int:
    """Parses the words of one command and runs it."""
    module = import_module(f"lamina.cli.commands.{verb.module}")
    args = command_of(path, verb).parse(words)
    code: int = module.run(session, args)
    return code


def _help() -> str:
    from lamina.cli.helping import overview  # only for --help

    return overview(program())


def _group_help(name: str) -> str:
    from lamina.cli.helping import group_page  # only for --help

    return group_page(PROGRAM, name)


if __name__ == "__main__":
    sys.exit(main())

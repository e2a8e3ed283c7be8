"""The program `lamina`: finds the command, imports only that one, runs it; errors become exit codes."""

from __future__ import annotations

import gc
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from lamina.cli.flags import Command, HelpWanted, UsageError
from lamina.cli.session import Session
from lamina.cli.verbs import GROUPS, VERBS, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

PROGRAM = "lamina"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line (without the program's name) and returns its exit code."""
    session = Session(os.environ)
    own_failures = 1
    try:
        try:
            words = _global_flags(session, sys.argv[1:] if argv is None else argv)
            path, verb, words = find(words)
            own_failures = verb.own_failures
            code = run_verb(session, path, verb, words)
        except HelpWanted as wanted:
            print(wanted.text)
            code = 0
        finally:
            session.close()
        sys.stdout.flush()
        return code
    except (Exception, KeyboardInterrupt) as error:
        from lamina.cli.errors import report  # a command that ends well does without

        return report(error, debug=session.debug, ours=own_failures)


def entry() -> NoReturn:
    """The program as it is installed: `main`, and out."""
    # Nearly all that is allocated lives until the end: the collector would look at it again and again.
    gc.set_threshold(50_000, 20, 20)
    _open_streams()
    code = main()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            pass  # the reader is gone
    os._exit(code)  # taking all modules apart one by one would cost 5 ms and more


def _open_streams() -> None:
    """Opens standard streams that our caller has closed: a file of the store must not get their numbers."""
    if None not in (sys.stdin, sys.stdout, sys.stderr):
        return
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stdout = sys.stdout or os.fdopen(1, "w", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


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


def _global_flags(session: Session, words: Sequence[str]) -> list[str]:
    """Notes the flags before the command in `session`; returns the words from the command on."""
    try:
        args = program().parse(words)
    except HelpWanted:
        raise HelpWanted(_help()) from None
    if args.on("version"):
        import lamina

        raise HelpWanted(f"Lamina version {lamina.__version__}")
    if not args.operands:
        raise HelpWanted(_help())
    session.root, session.snapshotter = args.text("root"), args.text("snapshotter")
    session.debug = args.on("debug")
    return args.operands


def find(words: list[str]) -> tuple[str, Verb, list[str]]:
    """The command that `words` begin with: its path as written, the verb, and the words after it."""
    name, rest = words[0], words[1:]
    if rest and (f"{name} {rest[0]}" in VERBS or f"{name} {rest[0]}" in GROUPS):
        name, rest = f"{name} {rest[0]}", rest[1:]
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
    entry()

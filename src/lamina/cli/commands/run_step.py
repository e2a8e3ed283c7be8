"""lamina run --failed, lamina run --step N: a container in what a step of a build left."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli.commands.run import request_of
from lamina.cli.flags import UsageError
from lamina.cli.step_flags import step_of
from lamina.cli.terminal import raw
from lamina.containers.stdio import Stdio
from lamina.errors import ProcessFailed
from lamina.events import Notice

if TYPE_CHECKING:
    from lamina.cli.flags import Args
    from lamina.cli.session import Session
    from lamina.events import Event


def run(session: Session, args: Args) -> int:
    """Runs it; the exit code is the process's own."""
    records = session.engine.records
    build, command = "", args.operands
    if command and records.names(command[0]):
        build, *command = command
    ref = step_of(args, build)
    args.operands = ["", *command]
    request = request_of(args, session)
    request = request._replace(network=request.network if args.given("network") or args.given("net") else "")
    if not command and not args.given("entrypoint"):
        # A shell that reads nothing is of no use: what is piped in are its commands.
        terminal = sys.stdin.isatty() and sys.stdout.isatty() and not args.given("tty")
        request = request._replace(interactive=True, tty=request.tty or terminal)
    if request.tty and request.interactive and not sys.stdin.isatty():
        raise UsageError("the input device is not a TTY", "", 1)
    sys.stdout.flush()
    try:
        with raw(0, wanted=request.tty and request.interactive):
            return records.run(ref, request, Stdio(0, 1, 2, forward_signals=True), _tell).status
    except ProcessFailed as error:
        error.exit_code = error.status  # 126 or 127: the program could not be run
        raise


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        print(event.text, file=sys.stderr, flush=True)

"""lamina login: credentials for a registry, tried and then kept where Docker and Podman keep theirs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.registry.keeping import Kept

_HUB = "docker.io"


def configure(command: Command) -> None:
    """Flags of `lamina login`."""
    command.takes("[SERVER]", 0, 1)
    command.option("username", "string", "Username", "u")
    command.switch("password-stdin", "Take the password or access token from stdin")
    command.option("password", "string", "Refused: others could read it in the list of processes", "p")
    command.option("authfile", "path", "Keep the credentials in this file")
    command.details = (
        "SERVER is a registry, or a part of one (HOST/PATH); Docker Hub if none is given.\n"
        "Without --username what is kept already is tried, then it is asked for in the terminal."
    )


def run(session: Session, args: Args) -> int:
    """Asks for what is not given, and keeps what the registry takes."""
    if args.given("password"):
        raise InvalidInput(
            "--password would show the password in the list of processes",
            hint='give it on standard input: printf %s "$PASSWORD" | lamina login --password-stdin',
        )
    server, authfile = (args.operands or [_HUB])[0], args.text("authfile")
    user = args.text("username")
    if args.on("password-stdin"):
        if not user:
            raise InvalidInput("the --password-stdin option requires --username to be set")
        password = sys.stdin.readline().removesuffix("\n").removesuffix("\r")
    else:
        if not user and session.engine.credentials.knows(server, authfile=authfile):
            print("Authenticating with existing credentials...")
            try:
                session.engine.credentials.check(server, authfile=authfile)
            except Denied as error:
                print(f"Login did not succeed, error: {error.message}", file=sys.stderr)
            else:
                print("Login Succeeded")
                return 0
        user, password = _ask(user)
    if not password:
        raise InvalidInput("password required")
    _told(session.engine.credentials.login(server, user, password, authfile=authfile))
    return 0


def _ask(user: str) -> tuple[str, str]:
    """What a person types; the password is not shown."""
    if not sys.stdin.isatty():
        raise InvalidInput(
            "Cannot perform an interactive login from a non TTY device",
            hint="use --username and --password-stdin",
        )
    import getpass

    while not user:
        user = input("Username: ").strip()
    return user, getpass.getpass("Password: ")


def _told(kept: Kept) -> None:
    if not kept.helper:
        print(
            f"WARNING! Your password will be stored unencrypted in {kept.place}.\n"
            "Configure a credential helper to remove this warning.",
            file=sys.stderr,
        )
    print("Login Succeeded")

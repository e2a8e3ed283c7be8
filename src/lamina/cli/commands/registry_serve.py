"""lamina registry serve: the store as a registry, until TERM, INT or HUP."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.events import Event

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def configure(command: Command) -> None:
    """Flags of `lamina registry serve`."""
    command.takes("", 0, 0)
    command.option("listen", "address", "HOST:PORT to listen on (default 127.0.0.1:5000)")
    command.option("tls-cert", "file", "Certificate for TLS, and what it stands on (PEM)")
    command.option("tls-key", "file", "Key of the certificate (PEM)")
    command.option("htpasswd", "file", "Users who may pull and push, with bcrypt hashes (htpasswd -B)")
    command.switch("anonymous-pull", "Anybody may pull; only users may push")
    command.switch("read-only", "Nothing can be pushed or deleted")
    command.switch("verbose", "Print every request to STDERR", "v")
    command.details = (
        "Images of the store can be pulled under their names, and what is pushed becomes an image of the\n"
        "store. Prints where it listens, and serves until it is interrupted. `:5000` is port 5000 of every\n"
        "address of this machine, port 0 one that is free."
    )


def run(session: Session, args: Args) -> int:
    """Serves; the address goes to standard output, what goes wrong to standard error."""
    from lamina.serving.settings import ServeSettings

    host, port = address(args.text("listen", "127.0.0.1:5000"))
    settings = ServeSettings(
        host=host,
        port=port,
        certificate=args.text("tls-cert"),
        key=args.text("tls-key"),
        htpasswd=args.text("htpasswd"),
        anonymous_pull=args.on("anonymous-pull"),
        read_only=args.on("read-only"),
        verbose=args.on("verbose"),
    )
    with _until_signal() as until:
        session.engine.serve(settings, _Printing().tell, until)
    return 0


def address(text: str) -> tuple[str, int]:
    """Host and port of HOST:PORT, [IPv6]:PORT, :PORT or PORT. InvalidInput."""
    host, colon, port = text.rpartition(":")
    if not colon and not text.isdigit():
        host, port = text, "5000"
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or (":" in host and host[:1] != "["):
        raise InvalidInput(f"--listen {text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


class _Printing:
    """Prints the first thing, the address, on standard output, and the others on standard error."""

    def __init__(self) -> None:
        self._is_first = True

    def tell(self, event: Event) -> None:
        text = getattr(event, "text", "")
        out = sys.stdout if self._is_first else sys.stderr
        self._is_first = False
        try:
            out.write(text + "\n")  # one write: threads tell at the same time
            out.flush()
        except OSError:
            pass  # nobody reads it any more


@contextmanager
def _until_signal() -> Iterator[int]:
    """A descriptor that can be read once a signal has come; a second signal ends the process at once."""
    ours, theirs = os.pipe()

    def end(number: int, _: object) -> None:
        for each in _ENDING:
            signal.signal(each, signal.SIG_DFL)
        os.write(theirs, b"!")

    before = {each: signal.signal(each, end) for each in _ENDING}
    try:
        yield ours
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(ours)
        os.close(theirs)

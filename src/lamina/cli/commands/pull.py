"""lamina pull: an image from its registry."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.events import Notice, Progress, ignore

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.events import Event

_CLEAR = "\r\x1b[2K"


def configure(command: Command) -> None:
    """Flags of `lamina pull`."""
    command.takes("NAME[:TAG|@DIGEST]", 1, 1)
    command.option("platform", "string", "Pull the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Suppress verbose output", "q")
    command.later("a all-tags disable-content-trust")


def run(session: Session, args: Args) -> int:
    """Says what happens to each layer as Docker does, then what the name stands for."""
    from lamina.oci import reference as references

    meant, quiet = references.parse(args.operands[0]), args.on("quiet")
    name = meant.with_default_tag()
    if not quiet and name != meant:
        print("Using default tag: latest")
    title = f"{name.digest or name.tag}: Pulling from {_path(name.familiar_name, name.domain)}"
    shown = _Shown(title, sys.stdout.isatty())
    pulled = session.engine.pull(args.operands[0], ignore if quiet else shown, platform=args.text("platform"))
    if not quiet:
        shown.begin()
        shown.clear()
        status = "Downloaded newer image for" if pulled.is_new else "Image is up to date for"
        print(f"Digest: {pulled.digest}\nStatus: {status} {name.familiar()}")
    print(name)
    return 0


def _path(familiar_name: str, domain: str) -> str:
    """The repository without its registry; `library/busybox` for Docker's own."""
    path = familiar_name.removeprefix(domain + "/")
    return path if "/" in path or path != familiar_name else f"library/{path}"


class _Shown:
    """The events of a pull as lines; in a terminal the last one says how far the blobs are."""

    def __init__(self, title: str, is_terminal: bool) -> None:
        self._title = title
        self._is_terminal = is_terminal
        self._blobs: dict[str, tuple[int, int]] = {}

    def begin(self) -> None:
        """Shows what is pulled, once the registry has it."""
        if self._title:
            print(self._title, flush=True)
            self._title = ""

    def __call__(self, event: Event) -> None:
        self.begin()
        if isinstance(event, Notice):
            self.clear()
            print(event.text, flush=True)
        elif isinstance(event, Progress) and self._is_terminal:
            from lamina.cli.units import human_size

            self._blobs[event.what] = (event.done, event.total)
            done, total = map(sum, zip(*self._blobs.values(), strict=True))
            under_way = f"Downloading  {human_size(done)}/{human_size(total)}"
            print(f"{_CLEAR}{under_way}", end="", flush=True)

    def clear(self) -> None:
        """Takes the last line away."""
        if self._is_terminal:
            print(_CLEAR, end="", flush=True)

"""lamina bisect: the layer of an image after which a command fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli import environment
from lamina.cli.escaping import escaped
from lamina.cli.units import counted
from lamina.errors import InvalidInput
from lamina.events import Notice
from lamina.oci.digest import short

if TYPE_CHECKING:
    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.bisecting import Bisected
    from lamina.events import Event
    from lamina.insight.stack import StackLayer


def configure(command: Command) -> None:
    """Flags of `lamina bisect`."""
    command.takes("IMAGE [--] COMMAND [ARG...]", 1, None)
    command.interspersed = False
    command.option("bad", "layer", "A layer after which it is known to fail (default: the top)")
    command.option("env", "list", "Set environment variables", "e", many=True)
    command.option("env-file", "list", "Read in a file of environment variables", many=True)
    command.option("good", "layer", "A layer after which it is known to work (default: found out)")
    command.switch("json", "Print what was found as JSON")
    command.option("network", "network", "host (default) or none")
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")
    command.switch("quiet", "Do not tell of each run, nor show what the command prints", "q")
    command.option("term", "term", "What to look for: fails (default), works, or an exit code")
    command.option("user", "string", "Username or UID (format: <name|uid>[:<group|gid>])", "u")
    command.option("volume", "list", "Bind mount a folder or file: HOST:CONTAINER[:ro]", "v", many=True)
    command.option("workdir", "string", "Working directory inside the container", "w")
    command.details = (
        "Runs the command after about log2(n) of the n layers, in new containers with the image's config but "
        "without its entrypoint. An exit code of 125 says that it cannot be said of this state, as with "
        "`git bisect run`; a command that is not there yet fails. Flags come before IMAGE. What the command "
        "prints goes to STDERR."
    )


def run(session: Session, args: Args) -> int:
    """Prints the layer."""
    from lamina.containers.request import RunRequest
    from lamina.containers.stdio import Stdio
    from lamina.engine.bisecting import BisectQuery

    image, words = args.operands[0], args.operands[1:]
    if words[:1] == ["--"]:
        words = words[1:]
    if args.text("network", "host") not in ("host", "none", "default"):
        raise InvalidInput(f"network {args.text('network')} is not supported", hint="host (default) or none")
    request = RunRequest(
        image=image,
        command=tuple(words),
        env=tuple(environment.collect(args.texts("env-file"), args.texts("env"), session.environ)),
        volumes=tuple(args.texts("volume")),
        network="none" if args.text("network") == "none" else "host",
        user=args.text("user"),
        workdir=args.text("workdir"),
        platform=args.text("platform"),
    )
    query = BisectQuery(request, args.text("term", "fails"), args.text("good"), args.text("bad"))
    sys.stdout.flush()
    with open("/dev/null", "r+b", buffering=0) as null:
        shown = null.fileno() if args.on("quiet") else 2
        stdio = Stdio(null.fileno(), shown, shown)  # Ctrl-C is for us: it ends the search
        found = session.engine.bisect(query, stdio, _quiet if args.on("quiet") else _tell)
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(found))
    else:
        print(_told(found))
    return 0


def _tell(event: Event) -> None:
    if isinstance(event, Notice):
        print(f"bisect: {escaped(event.text)}", file=sys.stderr, flush=True)


def _quiet(event: Event) -> None:
    """Says nothing."""


def _told(found: Bisected) -> str:
    runs = counted(len(found.tries), "run")
    term = f"has exit code {found.term}" if found.term.isdigit() else found.term
    first, *others = found.layers
    if others:
        head = f"Only skipped states are left: it {term} first after one of these layers ({runs}):"
        return "\n".join([head, *map(_layer, found.layers)])
    if not found.good:
        head = f"It {term} in each state that was tried, from layer 1 on ({runs}):"
        return f"{head}\n{_layer(first)}"
    return f"Layer {first.number} is the first after which it {term} ({runs}):\n{_layer(first)}"


def _layer(layer: StackLayer) -> str:
    text = escaped(layer.created_by) or "(the history does not say what made it)"
    origin = layer.origin
    place = f" ({escaped(origin.dockerfile)}:{origin.line})" if origin else ""
    base = f", of the base image {escaped(layer.base)}" if layer.base else ""
    return f"  #{layer.number} {short(layer.diff_id)}{base}: {text}{place}"

"""What all operations on images have in common on the command line: names, --push, and the last line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.errors import InvalidInput
from lamina.events import Notice

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.operating import Operated, Target
    from lamina.events import Event, Observer
    from lamina.oci.digest import ImageID

_EPOCH = "SOURCE_DATE_EPOCH"


def add(command: Command) -> None:
    """The flags that say where the new image goes."""
    command.option(
        "tag", "list", "Name of the new image (name or name:tag); may be given several times", "t", many=True
    )
    command.switch("push", "Send the new image to the registry of its name, too: only layers that it lacks")
    command.option("platform", "string", "Only the image for this platform, of an index")
    command.switch("quiet", "Only print the ID of the new image", "q")
    command.switch("json", "Print what was done as JSON")


def target(args: Args, environ: Mapping[str, str]) -> Target:
    """What the flags say. InvalidInput."""
    from lamina.engine.operating import Target

    return Target(tuple(args.texts("tag")), args.on("push"), args.text("platform"), created(environ))


def created(environ: Mapping[str, str]) -> str:
    """The time of SOURCE_DATE_EPOCH (RFC 3339), "" where that is not set. InvalidInput."""
    text = environ.get(_EPOCH, "")
    if not text:
        return ""
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidInput(f"invalid {_EPOCH}: {text}", hint="it is a time in whole seconds since 1970")
    from lamina.oci.timestamp import rfc3339

    return rfc3339(int(text))


def observer(args: Args) -> Observer:
    """Draws layers on their way on standard error, and tells of what is left out."""
    from lamina.cli.progress.transfer import Transfer

    shown = Transfer(sys.stderr, "", "Pushing", is_terminal=sys.stderr.isatty())

    def tell(event: Event) -> None:
        if isinstance(event, Notice) and not _is_of_transfer(event.text):
            print(f"[Warning] {escaped(event.text)}", file=sys.stderr)
        elif not (args.on("quiet") or args.on("json")):
            shown(event)

    return tell


def _is_of_transfer(text: str) -> bool:
    """Whether a pull or a push says this: of a layer (`f0c1a2b3d4e5: Pushed`), or of what it brought."""
    name, colon, state = text.partition(": ")
    is_layer = len(name) == 12 and not name.strip("0123456789abcdef")
    return bool(colon) and (is_layer or name in ("Digest", "Status") or state.startswith("Pulling from"))


def told(done: Operated, args: Args) -> None:
    """Prints the end of an operation: names and ID."""
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(done))
        return
    if args.on("quiet"):
        print(done.image_id)
        return
    names = ", ".join(done.names) or "an image without a name"
    platforms = f", {len(done.images)} platforms" if len(done.images) > 1 else ""
    print(f"Made {names}: {units.short_id(done.image_id)}{platforms}")
    for pushed in done.pushed:
        print(f"Pushed {pushed.reference.familiar()}: digest: {pushed.descriptor.digest}")


def weighed(session: Session, done: Operated, args: Args) -> None:
    """Prints the same, and how many layers and bytes there are now, and were before."""
    if all(old == new for old, new in done.images) and not (args.on("json") or args.on("quiet")):
        print("There is nothing to change")
    told(done, args)
    if args.on("json") or args.on("quiet"):
        return
    for old, new in done.images:
        if old != new:
            print(f"{_weight(session, new)}; before: {_weight(session, old)}")


def _weight(session: Session, image_id: ImageID) -> str:
    layers = session.engine.layers(image_id)
    size = units.human_size(sum([layer.size for layer in layers]))
    return f"{len(layers)} layer{'s' * (len(layers) != 1)}, {size}"

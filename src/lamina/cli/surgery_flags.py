"""What all operations on images have in common on the command line: names, --push, and the last line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.cli import units
from lamina.cli.escaping import escaped
from lamina.errors import InvalidInput, NotFound
from lamina.events import Notice

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lamina.cli.flags import Args, Command
    from lamina.cli.session import Session
    from lamina.engine.operating import Operated, Target
    from lamina.events import Event, Observer
    from lamina.oci.digest import ImageID


def add(command: Command) -> None:
    """The flags that say where the new image goes."""
    command.option(
        "tag", "list", "Name of the new image (name or name:tag); may be given several times", "t", many=True
    )
    command.switch("push", "Send the new image to the registry of its name, too: only layers that it lacks")
    command.option(
        "platform", "string", "Change only the image for this platform (os/architecture[/variant])"
    )
    command.switch("quiet", "Only print the ID of the new image", "q")
    command.switch("json", "Print what was done as JSON")


def target(args: Args, environ: Mapping[str, str]) -> Target:
    """What the flags say. InvalidInput."""
    from lamina.cli.source_date import source_date
    from lamina.engine.operating import Target

    return Target(tuple(args.texts("tag")), args.on("push"), args.text("platform"), source_date(environ))


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


def layers(args: Args) -> tuple[str, list[str]]:
    """The image, and what layers of it are named: `IMAGE LAYER...` or `IMAGE#LAYER...`."""
    image, mark, layer = args.operands[0].partition("#")
    return image, [layer] * bool(mark) + args.operands[1:]


def meant(args: Args) -> tuple[str, str]:
    """The image, and the one layer or range that is named, "" for none. InvalidInput."""
    image, named = layers(args)
    if len(named) > 1:
        raise InvalidInput(f"{named[0]} or {named[1]}?", hint="a range, with the lower layer first: 2..5")
    return image, "".join(named)


def needed(args: Args, least: int = 1) -> tuple[str, list[str]]:
    """The same where some have to be named. InvalidInput."""
    image, named = layers(args)
    if len(named) < least:
        which = "which layer" if least == 1 else "which layers"
        raise InvalidInput(
            f"{which} of {escaped(image)}?", hint=f"`lamina layers {escaped(image)}` numbers them"
        )
    return image, named


def operated(session: Session, args: Args, operate: Callable[[Target, Observer], Operated]) -> int:
    """Does an operation with the target and the observer that the flags ask for, and prints its end: 0."""
    told(session, operate(target(args, session.environ), observer(args)), args)
    return 0


def told(session: Session, done: Operated, args: Args) -> None:
    """Prints the end of an operation: names, ID, and layers and bytes where these are others than before."""
    if args.on("json"):
        from lamina.cli.as_json import dumps

        print(dumps(done))
        return
    if args.on("quiet"):
        print(done.image_id)
        return
    names = ", ".join(done.names)
    platforms = f", {len(done.images)} platforms" if len(done.images) > 1 else ""
    is_new = any(old != new for old, new in done.images)
    if is_new:
        print(f"Made {names or 'an image without a name'}: {units.short_id(done.image_id)}{platforms}")
        _compared(session, done)
    else:
        named = f", named {names}" if names else ""
        print("There is nothing to change")
        print(f"It is {units.short_id(done.image_id)}{platforms} still{named}")
    for pushed in done.pushed:
        print(f"Pushed {pushed.reference.familiar()}: digest: {pushed.descriptor.digest}")


def _compared(session: Session, done: Operated) -> None:
    for old, new in done.images:
        try:
            before, after = _weight(session, old), _weight(session, new)
        except NotFound:  # removed meanwhile
            continue
        if before != after:
            print(f"{after}; before: {before}")


def _weight(session: Session, image_id: ImageID) -> str:
    layers = session.engine.layers(image_id, counted=False)
    size = units.human_size(sum([layer.size for layer in layers]))
    return f"{units.counted(len(layers), 'layer')}, {size}"

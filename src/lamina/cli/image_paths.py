"""What the questions about files of an image have in common: IMAGE:PATH, --layer, how files are printed."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput
from lamina.fs.failures import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.cli.flags import Args, Command
    from lamina.engine.files import ImagePath
    from lamina.insight.files.merged import ImageFile
    from lamina.insight.files.owners import Owners

_TYPES = {"f": "-", "p": "p"}
_BITS = ((0o4000, 0o100, 2, "s", "S"), (0o2000, 0o10, 5, "s", "S"), (0o1000, 0o1, 8, "t", "T"))
_SECOND = 1_000_000_000


def add(command: Command) -> None:
    """The flags that say which state of which image is looked at."""
    command.option(
        "layer", "layer", "Look at the state after this layer: its number (1 is the bottom) or diff ID"
    )
    command.option("platform", "string", "Ask about the image for this platform (os/architecture[/variant])")


def place(args: Args, text: str) -> ImagePath:
    """IMAGE, IMAGE:/PATH or IMAGE#LAYER:/PATH, with the flags. InvalidInput."""
    from lamina.engine.files import ImagePath

    return ImagePath.parse(text, args.text("layer"), args.text("platform"))


def places(args: Args, operands: Sequence[str]) -> list[ImagePath]:
    """The same of several operands; what begins with / is a path of the image before it. InvalidInput."""
    found: list[ImagePath] = []
    for before, text in zip(("", *operands), operands, strict=False):
        if not text.startswith("/"):
            found.append(place(args, text))
        elif not found:
            raise InvalidInput(f"of which image is {name(text)}?", hint=f"IMAGE:{name(text)}")
        else:
            asked = found[-1]._replace(path=text)
            is_whole = not before.startswith("/") and ":/" not in before
            found[-1 if is_whole else len(found) :] = [asked]
    return found


def write_names(paths: Iterable[str]) -> None:
    """Writes the bytes of each path, with a NUL after it."""
    sys.stdout.flush()
    sys.stdout.buffer.write(b"".join([os.fsencode(path) + b"\0" for path in paths]))


def name(path: str) -> str:
    """A path as it is printed: no character of it can touch the terminal."""
    return shown(os.fsencode(path))


def mode(file: ImageFile) -> str:
    """`drwxr-sr-x`, as ls -l has it."""
    bits = file.mode if file.type != "l" else 0o777
    letters = ["rwx"[place % 3] if bits >> (8 - place) & 1 else "-" for place in range(9)]
    for bit, execute, place, with_execute, without in _BITS:
        if bits & bit:
            letters[place] = with_execute if bits & execute else without
    return _TYPES.get(file.type, file.type) + "".join(letters)


def moment(nanoseconds: int) -> str:
    """A time to the minute, in UTC."""
    from datetime import UTC, datetime  # 2 ms at start-up

    try:
        return datetime.fromtimestamp(nanoseconds // _SECOND, UTC).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return str(nanoseconds // _SECOND)


def size(file: ImageFile) -> str:
    """Bytes, or the numbers of a device."""
    return ", ".join(map(str, file.device)) if file.type in ("c", "b") else str(file.size)


def label(file: ImageFile, path: str | None = None) -> str:
    """The name (by default the whole path), and where a link leads."""
    text = name(file.path if path is None else path)
    return f"{text} -> {name(file.target)}" if file.type == "l" else text


class Names:
    """Names of users and groups by their IDs; the number of one that has none."""

    def __init__(self, owners: Owners | None) -> None:
        self._users = {
            number: name for name, number in reversed(list((owners.users if owners else {}).items()))
        }
        self._groups = {
            number: name for name, number in reversed(list((owners.groups if owners else {}).items()))
        }

    def user(self, uid: int) -> str:
        """What to call a user."""
        return name(self._users.get(uid, str(uid)))

    def group(self, gid: int) -> str:
        """What to call a group."""
        return name(self._groups.get(gid, str(gid)))

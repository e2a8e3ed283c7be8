"""Appending: an archive as it is, or what it or a folder holds, as one more layer of an image."""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
from typing import IO, TYPE_CHECKING, BinaryIO

from lamina.db.versions import versions
from lamina.engine.editing import FileEdit, file_layer
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.fs.failures import failure, shown
from lamina.layers.apply import apply_layer
from lamina.layers.lookup import Lookup
from lamina.store.guard import guard
from lamina.surgery.parts import Parts, done
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.engine.operating import Change, Subject
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID


def appending(source: str | BinaryIO, prefix: str, epoch: int | None) -> Change:
    """What adds the layer; see Surgery.append. A stream is read once, whatever it is appended to."""
    name = source if isinstance(source, str) else "-"
    if isinstance(source, str) and not os.path.lexists(source):
        raise NotFound(f"{shown(os.fsencode(source))}: no such file or directory")
    given = [f"--prefix={prefix}"] if prefix else []
    what = shlex.join(["lamina", "append", *given, name])
    spooled: list[IO[bytes]] = []

    def change(ctx: Layers, subject: Subject) -> Parts:
        path = source if isinstance(source, str) else _spooled(ctx, source, spooled)
        diff_id = _layer(ctx, subject.parts.diff_ids, path, prefix, epoch)
        if diff_id is None:
            raise InvalidInput(f"{shown(os.fsencode(name))} holds nothing")
        line = done(what, subject.created, f"from {subject.image_id}", diff_id)
        return Parts(subject.parts.config, (*subject.parts.lines, line))

    return change


def _layer(
    ctx: Layers, diff_ids: Sequence[DiffID], path: str, prefix: str, epoch: int | None
) -> DiffID | None:
    if os.path.isdir(path):
        return file_layer(ctx, diff_ids, FileEdit(add=((path, prefix or "/"),)), epoch)
    if prefix:
        return file_layer(ctx, diff_ids, FileEdit(unpack=((path, prefix),)), epoch)
    return _as_it_is(ctx, diff_ids, path)


def _spooled(ctx: Layers, source: BinaryIO, spooled: list[IO[bytes]]) -> str:
    """The path of a file without a name that has what the stream gave."""
    if not spooled:
        root = ctx.layout.root
        with guard(root):
            spooled.append(tempfile.TemporaryFile(dir=root))  # noqa: SIM115  it lives as long as the closure
            shutil.copyfileobj(source, spooled[0])
            spooled[0].flush()
    return f"/proc/self/fd/{spooled[0].fileno()}"


def _as_it_is(ctx: Layers, diff_ids: Sequence[DiffID], source: str) -> DiffID:
    """The layer that the archive is. Conflict when a folder of it would take the place of a link."""
    try:
        with open(source, "rb") as file:
            diff = apply_layer(ctx, file)
    except OSError as error:
        raise failure(error, source) from error
    except InvalidInput as error:
        raise InvalidInput(f"{_name(source)} cannot be read as a tar: {error.message}") from None
    below = Lookup(ctx, diff_ids[::-1])
    for each in versions(ctx.db.read(), [diff.diff_id]):
        entry = each.versions[0].entry
        if entry is None or entry.kind is not Kind.DIR:
            continue
        old = below.get(entry.path)
        if old is not None and old.kind is Kind.SYMLINK:
            raise Conflict(
                f"the folder /{shown(entry.path)} of the archive would replace a link to {shown(old.link)}",
                hint="--prefix=/ unpacks it through the links of the image",
            )
    return diff.diff_id


def _name(source: str) -> str:
    return "STDIN" if source.startswith("/proc/self/fd/") else shown(os.fsencode(source))

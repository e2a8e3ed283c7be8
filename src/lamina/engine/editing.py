"""Editing files of an image: what is added, removed, and given another mode or owner, as one new layer.

The rules are COPY's (lamina.build.placing): links of the image on the way to a path are followed inside it.
"""

from __future__ import annotations

import os
import shlex
import tempfile
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from lamina.build.context import Context
from lamina.build.owners import find_owner
from lamina.build.placing import Placement, Style
from lamina.build.selecting import pick
from lamina.build.unpacking import unpack
from lamina.errors import InvalidInput, NotFound
from lamina.fs.failures import failure, shown
from lamina.graph.chmod import parse_mode
from lamina.layers.lookup import EMPTY_DIFF, Lookup
from lamina.layers.write import LayerItem, write_layer
from lamina.store.guard import guard
from lamina.surgery.edit import edit_config, edited, words
from lamina.tree.entry import FILES, Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.engine.operating import Change, Subject
    from lamina.graph.ingredients import Picked
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.surgery.edit import ConfigEdit
    from lamina.surgery.parts import Parts
    from lamina.tree.entry import Entry

_SECOND = 1_000_000_000
_PRIVILEGES = 0o6000  # setuid and setgid, which another owner does not get
_CAPABILITY = b"security.capability"
_DEVICES = (Kind.CHAR, Kind.BLOCK)


class FileEdit(NamedTuple):
    """Changes to files, in this order. Paths of the image are absolute, by os.fsdecode.

    `remove` paths; `add` pairs of a path of this machine and one of the image, as COPY reads them: a folder
    gives its contents, and a destination that ends with `/` is a folder; `unpack` pairs of an archive (a tar,
    plain or compressed) and a folder of the image, as ADD does it, but through links to folders. Then
    `chown` pairs of an owner and a path, and `chmod` pairs of a mode and a path; `recursive`: these two for
    all below a folder, too.
    """

    remove: tuple[str, ...] = ()
    add: tuple[tuple[str, str], ...] = ()
    unpack: tuple[tuple[str, str], ...] = ()
    chown: tuple[tuple[str, str], ...] = ()
    chmod: tuple[tuple[str, str], ...] = ()
    recursive: bool = False

    def words(self) -> list[str]:
        """The flags of the command line that say the same."""
        flags = [f"--rm={path}" for path in self.remove]
        flags += [f"--add={source}:{dest}" for source, dest in (*self.add, *self.unpack)]
        flags += [f"--chown={owner}:{path}" for owner, path in self.chown]
        flags += [f"--chmod={mode}:{path}" for mode, path in self.chmod]
        return flags + ["--recursive"] * self.recursive

    @property
    def is_empty(self) -> bool:
        """Whether no file would change."""
        return not (self.remove or self.add or self.unpack or self.chown or self.chmod)


def file_layer(ctx: Layers, diff_ids: Sequence[DiffID], edit: FileEdit, epoch: int | None) -> DiffID | None:
    """The layer of the changes over these layers (bottom first); None when nothing is different.

    `epoch`: the time of all that is added, in seconds since 1970; None: what it has here. NotFound for a
    path that is not there, InvalidInput.
    """
    below = Lookup(ctx, diff_ids[::-1])
    root = ctx.layout.root
    with guard(root), ExitStack() as opened:
        placement = _placed(
            below, edit, epoch, opened.enter_context(tempfile.TemporaryFile(dir=root)), opened
        )
        diff = write_layer(ctx, placement.items(), parent=below)
    return None if diff.diff_id == EMPTY_DIFF else diff.diff_id


def _placed(
    below: Lookup, edit: FileEdit, epoch: int | None, spool: BinaryIO, opened: ExitStack
) -> Placement:
    """What is to be; `opened` keeps open what it is read from."""
    added = [(*_picked(source, opened), dest) for source, dest in edit.add]
    times = [entry.mtime for _, picked, _ in added for entry in picked.entries]
    times += [_time_of(source) for source, _ in edit.unpack]
    time = None if epoch is None else epoch * _SECOND
    placement = Placement(below, Style(None, None, max(times, default=0), time))
    for path in edit.remove:
        placement.remove(_there(placement, path, follow_last=False))
    for context, picked, dest in added:
        _copy(placement, context, picked, dest)
    for source, dest in edit.unpack:
        with guard(source):
            unpack(partial(_open, source), placement, _absolute(dest), spool, source, keep_links=True)
    changing = _Changing(placement, below, recursive=edit.recursive)
    for owner, path in edit.chown:
        changing.chown(find_owner(owner, lambda: below), path)
    for mode, path in edit.chmod:
        changing.chmod(mode, path)
    return placement


def _picked(source: str, opened: ExitStack) -> tuple[Context, Picked]:
    """A file, or what a folder holds, of this machine; everything belongs to 0:0."""
    real, raw = os.path.realpath(source), os.fsencode(source)
    if not os.path.lexists(real):
        raise NotFound(f"{shown(raw)}: no such file or directory")
    folder, name = (real, "") if os.path.isdir(real) else os.path.split(real)
    try:
        context = Context(folder, None, {})
        opened.callback(context.close)
        picked = pick(context, os.fsencode(name))
    except OSError as error:
        raise failure(error, source) from error
    if any(entry.kind in _DEVICES for entry in picked.entries):
        raise InvalidInput(f"{shown(raw)}: a device cannot be added to an image")
    return context, picked._replace(name=os.path.basename(raw))


def _copy(placement: Placement, context: Context, picked: Picked, dest: str) -> None:
    try:
        placement.copy(context, picked, _absolute(dest))
    except InvalidInput as error:
        hint = "as with COPY, a folder takes no file's or link's place: name the folder that a link leads to"
        raise InvalidInput(error.message, hint=error.hint or hint) from None


def _time_of(archive: str) -> int:
    """Of folders that only the archive's place needs. NotFound."""
    if not os.path.isfile(archive):
        raise NotFound(f"{shown(os.fsencode(archive))}: no such file")
    return os.stat(archive).st_mtime_ns


def _open(source: str) -> BinaryIO:
    return open(source, "rb")


def editing(config: ConfigEdit, files: FileEdit, epoch: int | None) -> Change:
    """What does both; errors as of file_layer and of surgery.edit."""
    what = shlex.join(["lamina", "edit", *words(config), *files.words()])

    def change(ctx: Layers, subject: Subject) -> Parts:
        edit_config(subject.parts.config, config)  # what is wrong with it is said before files are read
        diff_id = None if files.is_empty else file_layer(ctx, subject.parts.diff_ids, files, epoch)
        return edited(subject.parts, config, subject.image_id, subject.created, what, diff_id)

    return change


class _Changing:
    """Modes and owners. Two names of one file stay so, where both are changed at once."""

    def __init__(self, placement: Placement, below: Lookup, *, recursive: bool) -> None:
        self._placement = placement
        self._below = below
        self._recursive = recursive

    def chown(self, owner: tuple[int, int], path: str) -> None:
        """As chown(2): a file loses setuid and setgid, and its capabilities."""

        def changed(entry: Entry) -> Entry:
            entry = entry._replace(uid=owner[0], gid=owner[1])
            if entry.kind in FILES:
                xattrs = tuple([each for each in entry.xattrs if each[0] != _CAPABILITY])
                entry = entry._replace(mode=entry.mode & ~_PRIVILEGES, xattrs=xattrs)
            return entry

        self._change(path, changed)

    def chmod(self, text: str, path: str) -> None:
        """Octal or symbolic, as for COPY --chmod; links have no mode."""
        try:
            mode = parse_mode(text)
        except ValueError as error:
            raise InvalidInput(str(error)) from None

        def changed(entry: Entry) -> Entry:
            if entry.kind is Kind.SYMLINK:
                return entry
            return entry._replace(mode=mode.apply(entry.mode, entry.kind is Kind.DIR))

        self._change(path, changed)

    def _change(self, path: str, change: Callable[[Entry], Entry]) -> None:
        top = _there(self._placement, path)
        entry = self._placement.get(top)
        assert entry is not None
        firsts: dict[tuple[DiffID | None, bytes], LayerItem] = {}
        for each in self._placement.walk(top) if self._recursive else [entry]:
            made = change(each)
            if made != each:
                self._put(made, firsts)

    def _put(self, entry: Entry, firsts: dict[tuple[DiffID | None, bytes], LayerItem]) -> None:
        placement, path = self._placement, entry.path
        own = placement.item(path)
        if own is not None:
            placement.change(own._replace(entry=entry))
            return
        if entry.kind not in FILES:
            placement.change(LayerItem(entry._replace(opaque=False)))  # what lies in it stays
            return
        file = entry.link if entry.kind is Kind.HARDLINK else path
        new = LayerItem(entry._replace(kind=Kind.FILE, link=b""), partial(self._below.open, path))
        first = firsts.setdefault((self._below.source(path), file), new)
        if first is not new:
            entry = entry._replace(kind=Kind.HARDLINK, link=first.entry.path)
            new = LayerItem(entry, first.source)
        placement.change(new)


def _there(placement: Placement, path: str, *, follow_last: bool = True) -> bytes:
    """Where a path of the image leads. NotFound, and InvalidInput for the root."""
    at = placement.resolve(_absolute(path), follow_last)
    if placement.get(at) is None:
        raise NotFound(f"{shown(os.fsencode(path))}: no such file or directory in the image")
    if not at and not follow_last:
        raise InvalidInput("the root of the image cannot be removed")
    return at


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise InvalidInput(f"{path!r} is not an absolute path of the image")
    return path

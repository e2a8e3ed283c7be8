"""What counts in the cache key of each kind of step, and under which label."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from lamina.graph.key import CacheKey, Ingredient, cache_key
from lamina.tree.entry import Entry, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lamina.graph.ops import CopyOp, RunOp, WorkdirOp
    from lamina.oci.platform import Platform

MOST_LISTED = 2000  # files of one step that are listed by name beside the digest of them all


class Picked(NamedTuple):
    """What one source of a COPY turned out to be: a file, or a folder with everything below it.

    `name` is the last part of its path as written: it counts, and is kept, only for what is no folder.
    In `entries` the first is the file or folder itself, with path b""; the others are relative to it.
    Every FILE has its digest. `path` is where the first one lies in the source: it does not count.
    `implied` are the folders that are there only because something in them is (--parents, --exclude);
    `named` is what --parents names itself, not only a folder that it is in: it does not count.
    """

    name: bytes
    path: bytes
    entries: Sequence[Entry]
    implied: frozenset[bytes] = frozenset()
    named: frozenset[bytes] = frozenset()

    @property
    def is_folder(self) -> bool:
        """Whether its contents are copied instead of itself."""
        return self.entries[0].kind is Kind.DIR


def run_key(
    op: RunOp,
    parent: str,
    platform: Platform,
    limits: Sequence[Ingredient] = (),
    mounts: tuple[Sequence[Ingredient], Sequence[Ingredient]] = ((), ()),
) -> CacheKey:
    """RUN depends on its command and all that the process can see. Proxies do not count.

    `limits` are what the caller of the build says of all its processes; `mounts` is of mounts.mount_parts.
    """
    parts = [
        Ingredient("instruction", "RUN"),
        Ingredient("parent", parent),
        Ingredient("command", op.args[-1] if op.shell else json.dumps(op.args)),
        Ingredient("shell", json.dumps(op.shell) if op.shell else ""),
        Ingredient("user", op.user),
        Ingredient("workdir", op.cwd),
        Ingredient("network", op.network),
        Ingredient("platform", str(platform)),
    ]
    if op.script:
        parts.append(Ingredient("script", f"{op.script.name}\n{op.script.content}"))
    if op.security != "sandbox":
        parts.append(Ingredient("security", op.security))
    parts += [*limits, *mounts[0]]
    parts += [
        Ingredient(("ARG " if is_arg else "ENV ") + name, value) for name, value, is_arg in sorted(op.env)
    ]
    return cache_key(parts, mounts[1])


def copy_key(
    op: CopyOp,
    parent: str,
    owner: tuple[int, int] | None,
    epoch: int | None,
    sources: Sequence[Sequence[Picked] | str],
) -> CacheKey:
    """COPY and ADD depend on where they put what: names below a copied folder, metadata, content; no mtime.

    With --link the parent does not count; --exclude and --parents count by what they pick. `sources` has,
    for each source as written, what it matched; a text where that alone says what it is (a commit).
    """
    parts = _copy_parts(op, parent, owner, epoch)
    listing: list[Ingredient] = []
    for number, (written, matches) in enumerate(zip(op.sources, sources, strict=True), 1):
        if isinstance(matches, str):
            parts.append(Ingredient(f"source {number}", matches))
            continue
        hasher = hashlib.sha256()
        for match in matches:
            lines = _lines(match)
            hasher.update(b"%d entries\0" % len(lines))
            hasher.update(b"".join([b"%b\0%d:%b" % (path, len(line), line) for path, line in lines]))
            if len(listing) < MOST_LISTED:
                listing += _listing(written, lines)
        parts.append(Ingredient(f"source {number}", hasher.hexdigest()))
    return cache_key([*parts, *_documents(op)], listing[:MOST_LISTED])


def copy_from_key(
    op: CopyOp, parent: str, owner: tuple[int, int] | None, epoch: int | None, source: str
) -> CacheKey:
    """The same step as `copy_key`, told by the layers that it copies from instead of by their files.

    It costs no look at any file. A miss means nothing: other layers may hold the same files.
    """
    parts = [*_copy_parts(op, parent, owner, epoch), Ingredient("source layers", source)]
    parts += [Ingredient(f"source {number}", path) for number, path in enumerate(op.sources, 1)]
    parts += [Ingredient(f"exclude {number}", text) for number, text in enumerate(op.exclude, 1)]
    return cache_key([*parts, *_documents(op)])


def pinned_key(op: CopyOp, parent: str, owner: tuple[int, int] | None, epoch: int | None) -> CacheKey:
    """The same step as `copy_key`, told by its --checksum: nobody need be asked what the URL leads to."""
    parts = [*_copy_parts(op, parent, owner, epoch), Ingredient("checksum", op.checksum)]
    parts += [Ingredient(f"source {number}", path) for number, path in enumerate(op.sources, 1)]
    return cache_key([*parts, *_documents(op)])


def workdir_key(op: WorkdirOp, parent: str, owner: tuple[int, int] | None, epoch: int | None) -> CacheKey:
    """WORKDIR depends on the folder, on who gets it (None: nobody said), and on what is there already."""
    parts = [
        Ingredient("instruction", "WORKDIR"),
        Ingredient("parent", parent),
        Ingredient("path", op.path),
        Ingredient("owner", "" if owner is None else f"{owner[0]}:{owner[1]}"),
    ]
    if epoch is not None:
        parts.append(Ingredient("SOURCE_DATE_EPOCH", str(epoch)))
    return cache_key(parts)


def _copy_parts(
    op: CopyOp, parent: str, owner: tuple[int, int] | None, epoch: int | None
) -> list[Ingredient]:
    """What counts for COPY aside from its sources."""
    parts = [
        Ingredient("instruction", op.name),
        Ingredient("link", "yes") if op.link else Ingredient("parent", parent),
        Ingredient("dest", op.dest),
        Ingredient("chown", "" if owner is None else f"{owner[0]}:{owner[1]}"),
        Ingredient("chmod", op.chmod),
    ]
    if op.unpack is not None:
        parts.append(Ingredient("unpack", "yes" if op.unpack else "no"))
    if epoch is not None:
        parts.append(Ingredient("SOURCE_DATE_EPOCH", str(epoch)))
    return parts


def _documents(op: CopyOp) -> list[Ingredient]:
    return [
        Ingredient(f"document {number}", f"{document.name}\n{document.content}")
        for number, document in enumerate(op.documents, 1)
    ]


def _lines(match: Picked) -> list[tuple[bytes, bytes]]:
    """Path and all that counts of each entry; of a folder whose contents are copied, only that it is one."""
    if match.is_folder:
        lines = [(entry.path, describe(entry)) for entry in match.entries[1:]]
        if match.implied:
            lines = [(path, b"implied " * (path in match.implied) + line) for path, line in lines]
        return [(b"", b"folder"), *lines]
    return [(match.name, describe(match.entries[0]))]


def describe(entry: Entry) -> bytes:
    """Kind, mode, owner, size and what is specific to the kind. A hard link counts as the file that it is."""
    kind = "f" if entry.kind is Kind.HARDLINK else entry.kind.value
    text = f"{kind} {entry.mode:o} {entry.uid}:{entry.gid} {entry.size} {entry.digest}".encode()
    if entry.kind is Kind.SYMLINK:
        text += b"-> %b" % entry.link
    elif entry.rdev != (0, 0):
        text += b"device %d:%d" % entry.rdev
    for name, value in entry.xattrs:
        text += b" %b=%d:%b" % (name, len(value), value)
    return text


def _listing(written: str, lines: Iterable[tuple[bytes, bytes]]) -> list[Ingredient]:
    """The same, to be read by people."""
    return [
        Ingredient(f"file {written}: {_text(path)}" if path else f"file {written}", _text(line))
        for path, line in lines
    ]


def _text(data: bytes) -> str:
    return data.decode(errors="backslashreplace")

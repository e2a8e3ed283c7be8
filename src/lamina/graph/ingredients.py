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
    """

    name: bytes
    path: bytes
    entries: Sequence[Entry]

    @property
    def is_folder(self) -> bool:
        """Whether its contents are copied instead of itself."""
        return self.entries[0].kind is Kind.DIR


def run_key(op: RunOp, parent: str, platform: Platform) -> CacheKey:
    """RUN depends on its command and all that the process can see. Proxies do not count."""
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
    parts += [
        Ingredient(("ARG " if is_arg else "ENV ") + name, value) for name, value, is_arg in sorted(op.env)
    ]
    return cache_key(parts)


def copy_key(
    op: CopyOp,
    parent: str,
    owner: tuple[int, int] | None,
    epoch: int | None,
    sources: Sequence[Sequence[Picked]],
) -> CacheKey:
    """COPY and ADD depend on where they put what: names below a copied folder, metadata, content; no mtime.

    `sources` has, for each source as written, what it matched.
    """
    parts = _copy_parts(op, parent, owner, epoch)
    listing: list[Ingredient] = []
    for number, (written, matches) in enumerate(zip(op.sources, sources, strict=True), 1):
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
    return cache_key([*parts, *_documents(op)])


def workdir_key(op: WorkdirOp, parent: str, owner: tuple[int, int], epoch: int | None) -> CacheKey:
    """WORKDIR depends on the folder, on who gets it, and on what is there already."""
    parts = [
        Ingredient("instruction", "WORKDIR"),
        Ingredient("parent", parent),
        Ingredient("path", op.path),
        Ingredient("owner", f"{owner[0]}:{owner[1]}"),
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
        Ingredient("parent", parent),
        Ingredient("dest", op.dest),
        Ingredient("chown", "" if owner is None else f"{owner[0]}:{owner[1]}"),
        Ingredient("chmod", op.chmod),
    ]
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
        return [(b"", b"folder"), *((entry.path, _describe(entry)) for entry in match.entries[1:])]
    return [(match.name, _describe(match.entries[0]))]


def _describe(entry: Entry) -> bytes:
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

"""Reading what package managers wrote in each layer, once: what a question for a package is answered from."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, BinaryIO

from lamina.db import packagedb
from lamina.db.filesearch import files_named
from lamina.db.packagedb import Listed
from lamina.fs.folders import Folders
from lamina.fs.reading import head
from lamina.fs.walk import open_file
from lamina.insight.packages import apk, dpkg, node, python, rpm
from lamina.insight.packages.managers import manager_of
from lamina.insight.packages.package import APK, DEB, NODE, PYTHON, RPM, BadDatabase, Package
from lamina.tree.entry import FILES

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_NAMES = (b"status", b"installed", b"rpmdb.sqlite", b"METADATA", b"PKG-INFO", b"package.json")
_ENDINGS = (b".egg-info",)
_SOURCE_RPM = re.compile(r"(.+)-[^-]+-[^-]+\.(?:no)?src\.rpm\Z")

Parts = list[
    tuple[bytes, str, bytes, list[Listed] | None]
]  # path, manager, digest, what it lists if read now


def files_in(c: sqlite3.Connection, diff_id: DiffID) -> Iterator[tuple[str, Entry]]:
    """The files of package managers in one layer, each with whose it is."""
    found = [entry for _, entry in files_named(c, [diff_id], _NAMES, _ENDINGS)]
    rows = c.execute(
        "SELECT f.name FROM diffs AS d CROSS JOIN files AS f WHERE d.diff_id = ? AND f.diff = d.num "
        "AND f.parent = ?",
        (diff_id, dpkg.STATUS_D),
    )
    names = [name for (name,) in rows if name not in _NAMES]
    if names:
        from lamina.db import cachedb

        found += [entry for name in names if (entry := cachedb.file(c, diff_id, dpkg.STATUS_D + b"/" + name))]
    for entry in found:
        if entry.kind in FILES and entry.digest and (manager := manager_of(entry.path)):
            yield manager, entry


def read(manager: str, path: bytes, stream: BinaryIO) -> list[Listed]:
    """What one file lists; nothing for one that cannot be understood."""
    try:
        return [_listed(package) for package in _PARSERS[manager](stream, path)]
    except (BadDatabase, ValueError):  # somebody else's file of that name, or damaged: sbom tells
        return []


def _whole(stream: BinaryIO, limit: int) -> bytes:
    data = head(stream, limit + 1)
    if len(data) > limit:
        raise BadDatabase(f"it has more than {limit} bytes")
    return data


def _node(stream: BinaryIO, path: bytes) -> list[Package]:
    found = node.parse(_whole(stream, node.MAX_SIZE), path)
    return [found] if found is not None else []


_PARSERS: dict[str, Callable[[BinaryIO, bytes], Iterable[Package]]] = {
    DEB: lambda stream, path: dpkg.parse(_whole(stream, dpkg.MAX_SIZE), path),
    APK: lambda stream, path: apk.parse(_whole(stream, apk.MAX_SIZE), path),
    RPM: lambda stream, path: rpm.parse(_whole(stream, rpm.MAX_SIZE), path),
    PYTHON: lambda stream, path: [python.parse(head(stream, python.MAX_HEAD), path)],
    NODE: _node,
}


def _listed(package: Package) -> Listed:
    source = package.source
    if package.kind == RPM:
        match = _SOURCE_RPM.match(source)
        source = match[1] if match else ""
    source = source.partition(" ")[0]
    name, version, architecture = map(_clean, (package.name, package.version, package.architecture))
    return Listed(name, version, architecture, _clean(source) if source != package.name else "")


def _clean(text: str) -> str:
    """Without half characters, which SQLite does not take."""
    return text.encode("utf-8", "replace").decode()


def read_layer(
    c: sqlite3.Connection, folder: str, diff_id: DiffID, known: Callable[[str, bytes], object]
) -> Parts | None:
    """What the package managers' files of one layer list; of those that are `known` nothing is read.

    `folder` is where the layer's files are. None when some have to be read and the layer is not here.
    """
    found: Parts = []
    wanted = []
    for manager, entry in files_in(c, diff_id):
        digest = bytes.fromhex(entry.digest)
        if known(manager, digest) is None:
            wanted.append((manager, entry, digest))
        else:
            found.append((entry.path, manager, digest, None))
    if not wanted:
        return found
    try:
        with Folders(folder) as folders:
            for manager, entry, digest in sorted(wanted, key=lambda each: each[1].path):
                with os.fdopen(open_file(folders, entry.path), "rb", buffering=0) as stream:
                    found.append((entry.path, manager, digest, read(manager, entry.path, stream)))
    except OSError:
        return None
    return found


def put(c: sqlite3.Connection, number: int, parts: Parts) -> None:
    """Notes what read_layer found; not if what was known then has gone meanwhile."""
    places = []
    for path, manager, digest, listed in parts:
        file = packagedb.find_file(c, manager, digest)
        if file is None:
            if listed is None:
                return
            file = packagedb.put_file(c, manager, digest, listed)
        places.append((path, file))
    packagedb.put_layer(c, number, places)

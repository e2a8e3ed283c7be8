"""rpm: rpmdb.sqlite, which rpm keeps since 4.16; its older forms are told, not read."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from lamina.events import Notice
from lamina.insight.packages import rpmheader as tags
from lamina.insight.packages.history import listed, shown
from lamina.insight.packages.package import RPM, BadDatabase, Package
from lamina.insight.packages.rpmheader import Header
from lamina.oci.purl import purl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.packages.distro import Distro
    from lamina.insight.packages.view import View

FOLDERS = (b"usr/lib/sysimage/rpm", b"var/lib/rpm", b"usr/share/rpm")
_NAME, _LOG = b"/rpmdb.sqlite", b"/rpmdb.sqlite-wal"
_OLD = {b"/Packages": "Berkeley DB", b"/Packages.db": "ndb"}
MAX_SIZE = 512 << 20
_MAX_HEADER = 64 << 20
_MOST_STEPS = 50_000_000  # of SQLite's machine: a database made to keep us busy does not
_MAGIC = b"SQLite format 3\0"
_KEYS = "gpg-pubkey"  # not packages: the keys that signatures are checked with


def rpm(view: View, distro: Distro) -> Iterator[Package]:
    """The packages that rpm has."""
    for folder in _folders(view):
        _tell_of_others(view, folder)
        if view.find(folder + _NAME) is not None:
            for package in listed(
                view, folder + _NAME, lambda file: parse(view.read(file, MAX_SIZE), file.path)
            ):
                yield package._replace(purl=_purl(package, distro))


def _folders(view: View) -> list[bytes]:
    """The folders of databases; one that is a link to another counts once."""
    found: dict[bytes, bytes] = {}
    for folder in FOLDERS:
        for name in (_NAME, *_OLD):
            file = view.find(folder + name)
            if file is not None:
                found.setdefault(file.path.rpartition(b"/")[0], folder)
    return list(found.values())


def _tell_of_others(view: View, folder: bytes) -> None:
    for name, form in _OLD.items():
        file = view.find(folder + name)
        if file is not None:
            view.tell(
                Notice(f"the package database {shown(file.path)} is in the form {form}: it is not read")
            )
    log = view.find(folder + _LOG)
    if log is not None and log.size:
        text = f"{shown(log.path)} has changes that its database has not: packages may be missing"
        view.tell(Notice(text))


def parse(data: bytes, path: bytes) -> list[Package]:
    """The packages of a database at `path`. BadDatabase."""
    place = shown(path)
    found = [_package(header, place) for header in headers(data)]
    return [package for package in found if package.name not in ("", _KEYS)]


def headers(data: bytes) -> Iterator[Header]:
    """The headers in a database, read from a copy in memory. BadDatabase."""
    if not data.startswith(_MAGIC):
        raise BadDatabase("it is not SQLite's")
    # WAL mode needs files beside the database, which a copy in memory cannot have: it is made a plain one.
    data = data[:18] + b"\1\1" + data[20:]
    with closing(sqlite3.connect(":memory:")) as c:
        try:
            c.deserialize(data)
            c.execute("PRAGMA trusted_schema = OFF")
            c.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_HEADER)
            c.set_progress_handler(lambda: 1, _MOST_STEPS)
            kind = c.execute("SELECT type FROM sqlite_master WHERE name = 'Packages'").fetchone()
            if kind != ("table",):
                raise BadDatabase("it has no table of packages")
            for (blob,) in c.execute("SELECT blob FROM Packages ORDER BY hnum"):
                if type(blob) is not bytes:
                    raise BadDatabase("a header is not bytes")
                yield Header(blob)
        except sqlite3.Error as error:
            raise BadDatabase(str(error)) from None


def _package(header: Header, place: str) -> Package:
    version, release = header.text(tags.VERSION), header.text(tags.RELEASE)
    epoch = header.numbers(tags.EPOCH)
    return Package(
        kind=RPM,
        name=header.text(tags.NAME),
        version=(f"{epoch[0]}:" if epoch else "") + f"{version}-{release}",
        architecture=header.text(tags.ARCH),
        licence=header.text(tags.LICENSE),
        source=header.text(tags.SOURCERPM),
        maintainer=header.text(tags.VENDOR) or header.text(tags.PACKAGER),
        homepage=header.text(tags.URL),
        description=header.text(tags.SUMMARY),
        path=place,
    )


def _purl(package: Package, distro: Distro) -> str:
    epoch, _, version = package.version.rpartition(":")
    qualifiers = {
        "arch": package.architecture,
        "distro": distro.label,
        "epoch": epoch,
        "upstream": package.source,
    }
    return purl(RPM, distro.id, package.name, version, qualifiers)


def owned(view: View, package: Package) -> list[bytes]:
    """The paths that the database says are the package's, as Entry has them."""
    file = view.find(package.path.encode().strip(b"/"))
    for header in headers(view.read(file, MAX_SIZE)) if file else ():
        if _package(header, package.path).key == package.key:
            return _files(header)
    return []


def all_owned(view: View) -> Iterator[tuple[bytes, Package]]:
    """Each path that a package brought, with the package. BadDatabase when a database cannot be read."""
    for folder in _folders(view):
        file = view.find(folder + _NAME)
        for header in headers(view.read(file, MAX_SIZE)) if file else ():
            package = _package(header, shown(folder + _NAME))
            for path in _files(header):
                yield path, package


def _files(header: Header) -> list[bytes]:
    folders = header.texts(tags.DIRNAMES)
    pairs = zip(header.numbers(tags.DIRINDEXES), header.texts(tags.BASENAMES), strict=False)
    return [(folders[n] + name).strip("/").encode() for n, name in pairs if n < len(folders)]

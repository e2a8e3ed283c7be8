"""apk: the installed database of Alpine and Wolfi."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.insight.packages.control import paragraphs
from lamina.insight.packages.history import listed, shown
from lamina.insight.packages.package import APK, BadDatabase, Package
from lamina.oci.purl import purl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.packages.distro import Distro
    from lamina.insight.packages.view import View

PLACES = (b"lib/apk/db/installed", b"usr/lib/apk/db/installed")
MAX_SIZE = 64 << 20


def apk(view: View, distro: Distro) -> Iterator[Package]:
    """The packages that apk has. /lib may be a link to /usr/lib: one database counts once."""
    for place in _places(view):
        for package in listed(view, place, lambda file: parse(view.read(file, MAX_SIZE), file.path)):
            yield package._replace(purl=_purl(package, distro))


def _places(view: View) -> list[bytes]:
    found = {file.path: place for place in reversed(PLACES) if (file := view.find(place)) is not None}
    return sorted(found.values())


def parse(data: bytes, path: bytes) -> list[Package]:
    """The packages of a database at `path`. BadDatabase when no paragraph is one."""
    found: list[Package] = []
    strange = 0
    place = shown(path)
    for paragraph in paragraphs(data.decode("utf-8", "replace")):
        fields: dict[str, str] = {}
        for line in paragraph.splitlines():
            if line[1:2] == ":":
                fields.setdefault(line[0], line[2:].strip())
        if fields.get("P") and fields.get("V"):
            found.append(_package(fields, place))
        else:
            strange += 1
    if strange and not found:
        raise BadDatabase("it has no paragraph that describes a package")
    return found


def _package(fields: dict[str, str], place: str) -> Package:
    return Package(
        kind=APK,
        name=fields["P"],
        version=fields["V"],
        architecture=fields.get("A", ""),
        licence=fields.get("L", ""),
        source=fields.get("o", ""),
        maintainer=fields.get("m", ""),
        homepage=fields.get("U", ""),
        description=fields.get("T", ""),
        path=place,
    )


def _purl(package: Package, distro: Distro) -> str:
    qualifiers = {"arch": package.architecture, "distro": distro.label, "upstream": package.source}
    return purl(APK, distro.id or "alpine", package.name, package.version, qualifiers)


def owned(view: View, package: Package) -> list[bytes]:
    """The paths that the database says are the package's, as Entry has them."""
    file = view.find(package.path.encode().strip(b"/"))
    if file is None:
        return []
    for paragraph in view.read(file, MAX_SIZE).split(b"\n\n"):
        lines = paragraph.splitlines()
        if b"P:" + package.name.encode() in lines and b"V:" + package.version.encode() in lines:
            return _files(lines)
    return []


def all_owned(view: View) -> Iterator[tuple[bytes, Package]]:
    """Each path that a package brought, with the package. BadDatabase when a database cannot be read."""
    for place in _places(view):
        file = view.find(place)
        for paragraph in view.read(file, MAX_SIZE).split(b"\n\n") if file else ():
            if paragraph.strip():
                for package in parse(paragraph, place):
                    for path in _files(paragraph.splitlines()):
                        yield path, package


def _files(lines: list[bytes]) -> list[bytes]:
    """The paths of a package's paragraph: folders (F), and names in the last one (R)."""
    found: list[bytes] = []
    folder = b""
    for line in lines:
        if line.startswith(b"F:"):
            folder = line[2:]
        elif line.startswith(b"R:"):
            found.append((folder + b"/" + line[2:]).lstrip(b"/"))
    return found

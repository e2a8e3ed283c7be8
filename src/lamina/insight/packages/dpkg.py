"""dpkg: /var/lib/dpkg/status, and status.d/NAME of images without a package manager (distroless)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.insight.packages import control
from lamina.insight.packages.copyright import licences
from lamina.insight.packages.history import listed, shown, warn
from lamina.insight.packages.package import DEB, BadDatabase, Package
from lamina.oci.purl import purl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.packages.distro import Distro
    from lamina.insight.packages.view import FoundFile, View

STATUS = b"var/lib/dpkg/status"
STATUS_D = b"var/lib/dpkg/status.d"
INFO = b"var/lib/dpkg/info"
DIVERSIONS = b"var/lib/dpkg/diversions"
MAX_SIZE = 64 << 20
_MAX_ONE = 1 << 20
_MOST = 10_000  # files in status.d
_FIELDS = control.reader(
    ("Package", "Status", "Version", "Architecture", "Source", "Maintainer", "Homepage", "Description")
)
_ABSENT = ("not-installed", "config-files")  # no file of the package but its settings is there


def dpkg(view: View, distro: Distro) -> Iterator[Package]:
    """The packages that dpkg has, with the licences that their copyright files name."""
    found = listed(view, STATUS, lambda file: parse(view.read(file, MAX_SIZE), file.path))
    found += _single(view)
    known = licences(view, {package.name for package in found})
    for package in found:
        yield package._replace(licence=known.get(package.name, ""), purl=_purl(package, distro))


def _single(view: View) -> Iterator[Package]:
    """Those of status.d: one file each, beside lists of digests and, in some images, copies for scanners."""
    names = [name for name in view.top.names(STATUS_D) if not name.endswith(b".md5sums")]
    if len(names) > _MOST:
        warn(view, STATUS_D, BadDatabase(f"it has {len(names)} files, the limit is {_MOST}"))
        return
    for name in names:
        file = view.first(STATUS_D + b"/" + name)
        if file is None:
            continue
        try:
            for package in parse(view.read(file, _MAX_ONE), file.path):
                yield package._replace(layer=file.diff_id)
        except BadDatabase as error:
            warn(view, file.path, error)


def parse(data: bytes, path: bytes) -> list[Package]:
    """The packages of a status file (deb-control(5)) at `path`. BadDatabase when no paragraph is one."""
    found: list[Package] = []
    strange = 0
    place = shown(path)
    for paragraph in control.paragraphs(data.decode("utf-8", "replace")):
        fields = control.fields(_FIELDS, paragraph)
        if "package" not in fields or "version" not in fields:
            strange += "status" not in fields  # a package that was never installed has no version
            continue
        if fields.get("status", "").rpartition(" ")[2] not in _ABSENT:
            found.append(_package(fields, place))
    if strange and not found:
        raise BadDatabase("it has no paragraph that describes a package")
    return found


def _package(fields: dict[str, str], place: str) -> Package:
    source, _, version = fields.get("source", "").partition(" ")
    return Package(
        kind=DEB,
        name=fields["package"],
        version=fields["version"],
        architecture=fields.get("architecture", ""),
        source=" ".join(part for part in (source, version.strip("() ")) if part),
        maintainer=fields.get("maintainer", ""),
        homepage=fields.get("homepage", ""),
        description=fields.get("description", ""),
        path=place,
    )


def _purl(package: Package, distro: Distro) -> str:
    qualifiers = {
        "arch": package.architecture,
        "distro": distro.label,
        "upstream": package.source.replace(" ", "@"),
    }
    return purl(DEB, distro.id or "debian", package.name, package.version, qualifiers)


def all_owned(view: View) -> Iterator[tuple[bytes, Package]]:
    """Each path that a package brought, with the package. BadDatabase when the status cannot be read."""
    view.top.prefetch(INFO)
    moved = _diversions(view)
    file = view.find(STATUS)
    for package in parse(view.read(file, MAX_SIZE), file.path) if file else ():
        for path in owned(view, package):
            other, by = moved.get(path, (path, package.name))
            yield (path if by == package.name else other), package
    for package in _single(view):
        for path in _listed_by_digests(view, package):
            yield path, package


def _diversions(view: View) -> dict[bytes, tuple[bytes, str]]:
    """Where dpkg puts files of other packages (dpkg-divert(1)): by their path, and whose the path is then."""
    file = view.find(DIVERSIONS)
    lines = view.read(file, MAX_SIZE).splitlines() if file else []
    return {
        old.strip(b"/"): (new.strip(b"/"), by.decode("utf-8", "replace"))
        for old, new, by in zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    }


def _listed_by_digests(view: View, package: Package) -> list[bytes]:
    """The paths in the list of digests beside a file of status.d."""
    file = view.find(package.path.encode("utf-8", "surrogateescape").strip(b"/") + b".md5sums")
    lines = view.read(file, MAX_SIZE).splitlines() if file else []
    return [path.strip().strip(b"/") for path in (line.partition(b" ")[2] for line in lines) if path.strip()]


def owned(view: View, package: Package) -> list[bytes]:
    """The paths that a package's list names, as Entry has them."""
    for name in (package.name, f"{package.name}:{package.architecture}"):
        file: FoundFile | None = view.find(INFO + b"/" + name.encode() + b".list")
        if file is not None:
            lines = view.read(file, MAX_SIZE).splitlines()
            return [line.strip(b"/") for line in lines if line.strip(b"/.")]
    return []

"""Python: the METADATA of dist-info folders and the PKG-INFO of egg-info, anywhere in the tree."""

from __future__ import annotations

import csv
import re
from posixpath import join, normpath
from typing import TYPE_CHECKING

from lamina.insight.packages import control
from lamina.insight.packages.distro import Distro
from lamina.insight.packages.history import shown, warn
from lamina.insight.packages.package import PYTHON, BadDatabase, Package
from lamina.oci.purl import purl

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.insight.packages.view import View

METADATA = re.compile(rb"\.dist-info/METADATA\Z|(\.egg-info|(^|/)EGG-INFO)/PKG-INFO\Z|\.egg-info\Z")
MAX_HEAD = 256 << 10  # the fields come before the description, which may be long
_MAX_RECORD = 16 << 20
_FIELDS = control.reader(
    (
        "Name",
        "Version",
        "License-Expression",
        "License",
        "Author",
        "Author-email",
        "Maintainer",
        "Maintainer-email",
        "Home-page",
        "Summary",
    )
)
_CLASSIFIER = re.compile(r"^Classifier:[ \t]*License :: (?:OSI Approved :: )?(.+?)[ \t]*$", re.MULTILINE)
_LONGEST = 60  # of what may be a licence's name; longer ones are the licence itself


def python(view: View, distro: Distro) -> Iterator[Package]:
    """The distributions that are installed (core metadata specifications)."""
    found = view.named(
        lambda path: METADATA.search(path) is not None, (b"METADATA", b"PKG-INFO"), (b".egg-info",)
    )
    for file in found:
        try:
            yield parse(view.head(file, MAX_HEAD), file.path)._replace(layer=file.diff_id)
        except BadDatabase as error:
            warn(view, file.path, error)


def parse(data: bytes, path: bytes) -> Package:
    """The distribution whose metadata, or the head of them, are at `path`. BadDatabase."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    head = next(control.paragraphs(text.partition("\n\n")[0]), "")
    fields = control.fields(_FIELDS, head)
    name, version = fields.get("name", ""), fields.get("version", "")
    if not name or not version:
        raise BadDatabase("it has no name or no version")
    return Package(
        kind=PYTHON,
        name=name,
        version=version,
        licence=_licence(fields, head),
        maintainer=_person(fields, "author") or _person(fields, "maintainer"),
        homepage=_known(fields, "home-page"),
        description=_known(fields, "summary"),
        purl=purl(PYTHON, "", re.sub(r"[-_.]+", "-", name).lower(), version),
        path=shown(path),
    )


def _licence(fields: dict[str, str], head: str) -> str:
    if "license-expression" in fields:
        return fields["license-expression"]
    name = _known(fields, "license")
    if name and len(name) <= _LONGEST:
        return name
    return " AND ".join(sorted(set(_CLASSIFIER.findall(head)) - {"OSI Approved"}))


def _person(fields: dict[str, str], role: str) -> str:
    return _known(fields, role) or _known(fields, f"{role}-email")


def _known(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    return "" if value.upper() == "UNKNOWN" else value


def all_owned(view: View) -> Iterator[tuple[bytes, Package]]:
    """Each path that an installed distribution's RECORD names, with the distribution."""
    for package in python(view, Distro()):
        try:
            for path in owned(view, package):
                yield path, package
        except BadDatabase as error:
            warn(view, package.path.strip("/").encode("utf-8", "surrogateescape"), error)


def owned(view: View, package: Package) -> list[bytes]:
    """The paths that the RECORD beside METADATA names, as Entry has them; [] for an egg, which has none."""
    folder, _, name = package.path.strip("/").rpartition("/")
    record = view.find(f"{folder}/RECORD".encode()) if name == "METADATA" else None
    if record is None:
        return []
    site = folder.rpartition("/")[0]
    text = view.read(record, _MAX_RECORD).decode("utf-8", "surrogateescape")
    try:
        paths = [row[0] for row in csv.reader(text.splitlines()) if row and row[0]]
    except csv.Error as error:
        raise BadDatabase(str(error)) from None
    return [normpath(join("/", site, path)).strip("/").encode("utf-8", "surrogateescape") for path in paths]

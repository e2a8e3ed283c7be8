"""Package: one thing that a package manager installed, and the layer that brought it."""

from __future__ import annotations

from typing import NamedTuple

DEB, APK, RPM, PYTHON, NODE = "deb", "apk", "rpm", "pypi", "npm"  # the types of package URLs


class Package(NamedTuple):
    """One installed package. Texts are as the database has them, "" where it says nothing."""

    kind: str  # deb, apk, rpm, pypi or npm
    name: str
    version: str  # with epoch and release, as the package manager compares it
    architecture: str = ""
    licence: str = ""  # an SPDX expression or free text; several names are joined by " AND "
    source: str = ""  # the source package, "name version" where the version differs, or a file's name
    maintainer: str = ""
    homepage: str = ""
    description: str = ""  # one line
    purl: str = ""
    path: str = ""  # of the database or metadata file in the image, from `/`
    layer: str = ""  # diff ID of the layer that brought it
    created_by: str = ""  # the instruction that made that layer, from the image's history
    line: int = 0  # of that instruction in the Dockerfile, where it is known, from 1

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What makes it the same package in two images or layers."""
        return self.kind, self.name, self.version, self.architecture


class BadDatabase(Exception):
    """A database that cannot be read; the text says why. Other databases of the image still can be."""

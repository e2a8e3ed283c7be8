"""Managers: whose database a file is, by its path; what `who` notes of layers, and `diff` looks for."""

from __future__ import annotations

from lamina.insight.packages import apk, dpkg, node, python, rpm
from lamina.insight.packages.package import APK, DEB, NODE, PYTHON, RPM


def manager_of(path: bytes) -> str:
    """Whose file this is (deb, apk, rpm, pypi, npm), by its path (as in Entry); "" for any other."""
    if path == dpkg.STATUS or (path.startswith(dpkg.STATUS_D + b"/") and not path.endswith(b".md5sums")):
        return DEB
    if path in apk.PLACES:
        return APK
    if path.endswith(b"/rpmdb.sqlite") and path.rpartition(b"/")[0] in rpm.FOLDERS:
        return RPM
    if python.METADATA.search(path):
        return PYTHON
    return NODE if node.PACKAGE.search(path) else ""

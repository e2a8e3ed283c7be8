"""Which licences Debian's /usr/share/doc/PACKAGE/copyright names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lamina.insight.packages.package import BadDatabase

if TYPE_CHECKING:
    from collections.abc import Collection

    from lamina.insight.packages.view import View

_MAX_SIZE = 1 << 20
_FORMAT = re.compile(r"\AFormat(-Specification)?:", re.IGNORECASE)
_LICENCE = re.compile(r"^License:[ \t]*(\S.*)$", re.MULTILINE | re.IGNORECASE)
_COMMON = re.compile(r"/usr/share/common-licenses/([A-Za-z0-9][A-Za-z0-9.+-]*)")
_DOCS = b"usr/share/doc"


def licences(view: View, names: Collection[str]) -> dict[str, str]:
    """The licences of these packages, by name, joined by " AND "; those that nobody can tell are left out.

    A machine-readable file (DEP 5) says them itself; of others count the common licences that they refer to.
    """
    found: dict[str, str] = {}
    seen: dict[tuple[str, str], str] = {}  # by layer and digest: many packages of one source share a text
    for name in sorted(names):
        file = view.find(_DOCS + b"/" + name.encode("utf-8", "surrogateescape") + b"/copyright")
        if file is None:
            continue
        same = (file.diff_id, file.digest)
        if same not in seen:
            try:
                seen[same] = parse(view.head(file, _MAX_SIZE).decode("utf-8", "replace"))
            except BadDatabase:
                seen[same] = ""
        if seen[same]:
            found[name] = seen[same]
    return found


def parse(text: str) -> str:
    """The licences of one copyright file."""
    if _FORMAT.match(text):
        named = [
            name
            for line in _LICENCE.findall(text)
            for name in re.split(r"[\s,]+(?:and/or|and|or)[\s,]+|,", line)
        ]
        short = {name.strip() for name in named if 0 < len(name.strip()) <= 60}
    else:
        short = {name.rstrip(".") for name in _COMMON.findall(text)}
    return " AND ".join(sorted(short))

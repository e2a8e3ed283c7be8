"""The distribution of an image, as its os-release names it; package URLs carry it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.insight.packages.package import BadDatabase

if TYPE_CHECKING:
    from lamina.insight.packages.view import View

PLACES = (b"etc/os-release", b"usr/lib/os-release")
_MAX_SIZE = 64 << 10


class Distro(NamedTuple):
    """`id` is debian, alpine, ...; `version` is its VERSION_ID; both "" where nothing tells."""

    id: str = ""
    version: str = ""

    @property
    def label(self) -> str:
        """As package URLs write it: debian-12."""
        return "-".join(part for part in self if part)


def distro(view: View) -> Distro:
    """Reads /etc/os-release, or what stands in for it (os-release(5))."""
    for place in PLACES:
        file = view.find(place)
        if file is None:
            continue
        try:
            text = view.read(file, _MAX_SIZE).decode("utf-8", "replace")
        except BadDatabase:
            continue
        fields = dict(line.partition("=")[::2] for line in text.splitlines())
        return Distro(_value(fields, "ID").lower(), _value(fields, "VERSION_ID"))
    return Distro()


def _value(fields: dict[str, str], name: str) -> str:
    return fields.get(name, "").strip().strip("\"'")

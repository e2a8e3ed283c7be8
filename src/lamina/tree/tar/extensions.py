"""The headers that come before an entry and speak about it: PAX, and GNU's long names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.tar import pax
from lamina.tree.tar.errors import TarError, shown

if TYPE_CHECKING:
    from lamina.tree.tar.decode import Header
    from lamina.tree.tar.limits import Limits
    from lamina.tree.tar.pax import Pax

TYPES = frozenset((b"x", b"g", b"L", b"K"))
_OCTAL_END = 1 << 33  # the first size that eleven octal digits cannot hold


class Extensions:
    """Gathers what was said about the next entry; `pending` when something was."""

    __slots__ = ("_link", "_name", "_pax", "pending")

    def __init__(self) -> None:
        self._pax: Pax | None = None
        self._name = self._link = b""
        self.pending = False

    def add(self, type_: bytes, data: bytes, limits: Limits) -> None:
        """Takes in one header. TarError when the same thing was said before."""
        if type_ == b"g":
            pax.check_global(data)
            return
        self.pending = True
        if type_ == b"x":
            if self._pax is not None:
                raise TarError("two PAX headers for one entry")
            self._pax = pax.parse(data, limits.xattrs)
            return
        text = data.rstrip(b"\0")
        if b"\0" in text:
            raise TarError("a long name with a zero byte in it")
        if (self._name if type_ == b"L" else self._link) or not text:
            raise TarError("two long names, or an empty one, for one entry")
        if type_ == b"L":
            self._name = text
        else:
            self._link = text

    def applied(self, header: Header) -> tuple[Header, Pax]:
        """The header of the entry with what was said instead of what stands in its fields."""
        said = self._pax or pax.NOTHING
        sparse_name = said.sparse.get(b"name")
        if (self._name and (said.path or sparse_name)) or (self._link and said.link):
            raise TarError(f"{shown(header.name)}: its name is given twice, in two ways")
        made = header._replace(
            name=sparse_name or said.path or self._name or header.name,
            link=said.link or self._link or header.link,
            uid=header.uid if said.uid is None else said.uid,
            gid=header.gid if said.gid is None else said.gid,
            size=_size(said, header),
            mtime=header.mtime if said.mtime is None else said.mtime,
        )
        return made, said


def _size(said: Pax, header: Header) -> int:
    """The size from the PAX header, only if the other field could not have held it (CVE-2025-62518)."""
    if said.size is None or said.size == header.size:
        return header.size
    if said.size < _OCTAL_END:
        raise TarError(f"{shown(header.name)}: it has two sizes, {header.size} and {said.size}")
    return said.size

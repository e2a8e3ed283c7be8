"""Pythons: whether the Python that moved files were installed for, and its own modules, are still there.

A wheel for CPython 3.11 lies in .../lib/python3.11/site-packages (or dist-packages, as Debian has it), where
no other Python looks; its extensions carry an ABI tag (PEP 3149).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.db.filesearch import files_named
from lamina.db.versions import versions
from lamina.surgery.findings import Finding, Weight
from lamina.surgery.transplant import head_of
from lamina.tree.entry import FILES
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.layers.context import Layers
    from lamina.layers.lookup import Lookup
    from lamina.surgery.transplant import Side, Transplant

_INSTALLED = re.compile(rb"(?:.*/)?lib(?:64)?/python(3\.\d+)/(?:site|dist)-packages/.")
_TAGGED = re.compile(rb".*\.cpython-3(\d+)-[^/]*\.so\Z")
_HOME = re.compile(rb"(?:.*/)?lib(?:64)?/python(3\.\d+)\Z")
_MODULE = re.compile(rb"(\w+)(?:\.py|\.(?:cpython-|abi3)[^/]*\.so|\.so)?\Z")
_IMPORT = re.compile(rb"^(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_MARK = b"os.py"  # a Python's home is the folder that has it (site.py says so, too)
_MOST_SOURCES = 5000  # files that are looked through for imports
_SOURCE = 1 << 18  # bytes of one


class _Use(NamedTuple):
    """How the moved files use one version of Python."""

    files: int  # that are installed for it
    example: bytes


def pythons(ctx: Layers, it: Transplant, before: Side, after: Side) -> Iterator[Finding]:
    """Versions of Python that moved files were installed for and that went; modules of those that stay."""
    uses, sources = _uses(ctx, it)
    if not uses and not sources:
        return
    old, new = _homes(ctx, before.view), _homes(ctx, after.view)
    for version, use in uses.items():
        if version in old and version not in new:
            have = ", ".join(sorted(each.decode() for each in new)) or "none"
            others = "" if use.files == 1 else f", as are {use.files - 1} more files"
            text = (
                f"is installed for Python {version.decode()}, which is gone (there is {have} now){others}; "
                f"its library was {absolute(old[version])}"
            )
            yield Finding(Weight.BREAKS, "python", absolute(use.example), text)
    for version in old.keys() & new.keys():
        gone = _modules(before.view, old[version]) - _modules(after.view, new[version])
        if gone:
            yield from _missing(after.view, version, gone, sources)


def _uses(ctx: Layers, it: Transplant) -> tuple[dict[bytes, _Use], list[bytes]]:
    """By version what is installed for it; and the sources among the moved files."""
    uses: dict[bytes, _Use] = {}
    sources: list[bytes] = []
    for found in versions(ctx.db.read(), it.moved):
        entry = found.now.entry if found.now is not None else None
        if entry is None or entry.kind not in FILES:
            continue
        installed, tagged = _INSTALLED.match(entry.path), _TAGGED.match(entry.path)
        version = installed[1] if installed else b"3." + tagged[1] if tagged else b""
        if version:
            use = uses.get(version) or _Use(0, entry.path)
            uses[version] = use._replace(files=use.files + 1)
        if entry.path.endswith(b".py") and len(sources) < _MOST_SOURCES:
            sources.append(entry.path)
    return uses, sources


def _homes(ctx: Layers, view: Lookup) -> dict[bytes, bytes]:
    """Where the library of each version of Python lies that is to be seen."""
    found: dict[bytes, bytes] = {}
    for _, entry in files_named(ctx.db.read(), view.chain, [_MARK]):
        home = parent_of(entry.path)
        match = _HOME.match(home)
        if match and match[1] not in found and view.get(entry.path) is not None:
            found[match[1]] = home
    return found


def _modules(view: Lookup, home: bytes) -> set[bytes]:
    names = [*view.names(home), *view.names(home + b"/lib-dynload")]
    return {match[1] for name in names if (match := _MODULE.match(name))} - {b"__pycache__"}


def _missing(view: Lookup, version: bytes, gone: set[bytes], sources: list[bytes]) -> Iterator[Finding]:
    """Modules of Python's own that went: for certain bad where a moved file imports one when it is loaded."""
    importers: dict[bytes, bytes] = {}
    for path in sources:
        for name in _IMPORT.findall(head_of(view, path, _SOURCE)):
            if name in gone:
                importers.setdefault(name, path)
    for name, path in sorted(importers.items()):
        text = f"imports {os.fsdecode(name)}, which Python {version.decode()} lacks now"
        yield Finding(Weight.BREAKS, "python", absolute(path), text)
    rest = sorted(gone - importers.keys())
    if rest:
        names = ", ".join(map(os.fsdecode, rest[:10])) + (", ..." if len(rest) > 10 else "")
        text = f"Python {version.decode()} lacks {len(rest)} of its modules now: {names}"
        yield Finding(Weight.RISK, "python", "", text)

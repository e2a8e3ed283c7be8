"""Query: what `lamina who` is asked for, from what a user types."""

from __future__ import annotations

import os
import re
from typing import NamedTuple
from urllib.parse import unquote

from lamina.db.packagedb import is_pattern
from lamina.errors import InvalidInput

HASH, PATH, NAME, PACKAGE, WORD = "hash", "path", "name", "package", "word"
KINDS = (HASH, PATH, NAME, PACKAGE)
_HASH = re.compile(r"(?:sha256:)?([0-9a-fA-F]{8,64})\Z")
_OTHER = re.compile(r"(sha1|sha384|sha512|md5):", re.IGNORECASE)
_PURL = re.compile(r"pkg:([^/@?#]+)/([^@?#]+)(?:@([^?#]*))?(?:[?#].*)?\Z")
_MERGED = re.compile(rb"(?:usr/)?((?:bin|sbin|lib|lib32|lib64|libx32)/.*)\Z", re.DOTALL)
_HINT = "a SHA-256 (8 digits or more), a path, or a package as NAME[@VERSION]"


class Query(NamedTuple):
    """What is looked for. A WORD is a package, or where none has this name, a file's name or a digest."""

    text: str
    kind: str  # hash, path, name, package or word
    digits: str = ""  # of a hash, in small letters
    path: bytes = b""  # of a path, relative as in Entry; of a name, the name
    name: str = ""  # of a package
    version: str = ""  # "" for any
    manager: str = ""  # deb, apk, rpm, pypi or npm; "" for any

    @property
    def is_pattern(self) -> bool:
        """Whether the path or name has `*`, `?` or `[`, which SQLite's GLOB understands."""
        return is_pattern(os.fsdecode(self.path))


def parse(text: str, kind: str = "") -> Query:
    """The query that `text` means; `kind` is one of KINDS where it is known. InvalidInput."""
    if not text or "\0" in text:
        raise InvalidInput("nothing to look for", hint=_HINT)
    kind = kind or _kind_of(text)
    if kind == HASH:
        return _hash(text)
    if kind == PATH:
        path = os.path.normpath(os.fsencode("/" + text)).strip(b"/")
        return Query(text, PATH, path=path)
    if kind == NAME:
        return Query(text, NAME, path=os.fsencode(text))
    return _package(text, kind)


def _kind_of(text: str) -> str:
    if text.startswith("sha256:") or (len(text) == 64 and _HASH.match(text)) or _OTHER.match(text):
        return HASH
    if text.startswith("pkg:"):
        return PACKAGE
    if text.rfind("@") > 0 and text[0] != "/":
        return PACKAGE
    return PATH if "/" in text and text[0] != "@" else WORD


def _hash(text: str) -> Query:
    match = _HASH.match(text)
    if match is None:
        raise InvalidInput(
            f"invalid digest: {text!r}", hint="files are known by their SHA-256: 8 to 64 hex digits"
        )
    return Query(text, HASH, digits=match[1].lower())


def _package(text: str, kind: str) -> Query:
    if text.startswith("pkg:"):
        match = _PURL.match(text)
        if match is None:
            raise InvalidInput(f"invalid package URL: {text!r}", hint="pkg:TYPE/NAMESPACE/NAME@VERSION")
        manager, path, version = match[1].lower(), unquote(match[2]), unquote(match[3] or "")
        name = path if manager == "npm" else path.rpartition("/")[2]
        return Query(text, PACKAGE, name=name, version=version, manager=manager)
    at = text.rfind("@")
    name, version = (text[:at], text[at + 1 :]) if at > 0 else (text, "")
    found = _HASH.match(text) if kind == WORD else None
    return Query(text, kind, found[1].lower() if found else "", os.fsencode(text), name, version)


def spellings(path: bytes) -> list[bytes]:
    """The path, and where systems that merged /bin, /sbin and /lib* with those of /usr have it."""
    match = _MERGED.match(path)
    if match is None:
        return [path]
    return list(dict.fromkeys([path, match[1], b"usr/" + match[1]]))

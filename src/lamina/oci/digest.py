"""Digests and the names made of them (image-spec descriptor.md#digests, config.md#layer-diffid).

All are text `sha256:` + 64 hex; the types keep a blob's digest, a layer's diff ID, the name of a
stack of layers and an image's name from being mixed up. They cost nothing at run time.
"""

from __future__ import annotations

import hashlib
from typing import NewType

from lamina.errors import InvalidInput

Digest = NewType("Digest", str)
DiffID = NewType("DiffID", str)
ChainID = NewType("ChainID", str)
ImageID = NewType("ImageID", str)

_HEX = frozenset("0123456789abcdef")


def sha256(data: bytes) -> Digest:
    """Names `data` by its digest."""
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def parse(text: str) -> Digest:
    """Returns `text` as a Digest. InvalidInput when it is not `sha256:` and 64 lower-case hex digits."""
    algorithm, _, value = text.partition(":")
    if algorithm != "sha256" or len(value) != 64 or not _HEX.issuperset(value):
        raise InvalidInput(f"invalid digest {text[:100]!r}", hint="a digest is sha256: and 64 hex digits")
    return Digest(text)


def hex_of(name: str) -> str:
    """The 64 hex digits of a digest, diff ID, chain ID or image ID."""
    return name[7:]


def short(name: str) -> str:
    """The first 12 of these digits: what people are shown of one."""
    return hex_of(name)[:12]


def chain_id(parent: ChainID | None, diff_id: DiffID) -> ChainID:
    """Names the stack that has `diff_id` on top of `parent` (config.md#layer-chainid)."""
    if parent is None:
        return ChainID(diff_id)
    return ChainID(sha256(f"{parent} {diff_id}".encode()))

"""CacheWanted: what one RUN asks for with one --mount=type=cache."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

SHARING = ("shared", "private", "locked")


class CacheWanted(NamedTuple):
    """One cache mount, by what a folder for it must be.

    `mode`, `uid` and `gid` are those that a new folder gets. Where it begins with the content of a stage or
    an image, `seed` fills the new, empty folder, whose own metadata it then leaves or sets, and `seed_key`
    names that content: with another one it is another folder, as in BuildKit. `created_by` is the
    instruction. `fresh` is the wish of --no-cache: not the folder that earlier builds left.
    """

    id: str
    sharing: str = "shared"  # shared | private | locked
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    seed: Callable[[str], object] | None = None
    seed_key: str = ""
    created_by: str = ""
    fresh: bool = False

    @property
    def key(self) -> str:
        """What two that may use one folder have in common: 32 hex digits."""
        parts = [self.id, self.mode, self.uid, self.gid, self.seed_key]
        text = json.dumps(parts, separators=(",", ":"))
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]

"""Kitchens with a server beside them."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tests.fetch.server import MODIFIED, Repository, Site

if TYPE_CHECKING:
    from .kitchen import Kitchen


def repository(kitchen: Kitchen, site: Site, name: str = "a") -> Repository:
    """A Git repository that the site serves as NAME.git."""
    site.repositories = str(kitchen.folder / "repositories")
    return Repository(kitchen.folder / "repositories", name)


def tar(files: Mapping[str, str | bytes], mode: str = "w", owner: int = 1000) -> bytes:
    """A tar of these files, which belong to `owner`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)
            member.size, member.mtime, member.uid, member.gid = len(data), MODIFIED, owner, owner
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def left_over(kitchen: Kitchen) -> list[str]:
    """Everything of the store that has a temporary name."""
    return [str(path) for path in Path(kitchen.layout.root).rglob(".tmp-*")]


def still_open(kitchen: Kitchen) -> list[str]:
    """The temporary files and folders of the store, and those beside it, that this process has open."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except FileNotFoundError:  # of the listing itself
            continue
        if target.startswith(f"{kitchen.layout.mnt}/"):
            found.append(target)
    return found

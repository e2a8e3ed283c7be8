"""Case: one small Dockerfile with its context, and how a context is written down."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Link:
    """A symbolic link of the context."""

    target: str


@dataclass(frozen=True)
class Hard:
    """One more name of a file that stands earlier in the context."""

    path: str


@dataclass(frozen=True)
class File:
    """A file with a mode of its own, and a `security.capability` if there is one."""

    content: str | bytes = ""
    mode: int = 0o644
    capability: bytes = b""


MODE_OF_FOLDERS = "since Docker 28.1 an octal --chmod holds for the folders that COPY makes"


# A text or bytes are a file with mode 0644; a number is the mode of a folder.
Item = str | bytes | int | Link | Hard | File


@dataclass(frozen=True)
class Case:
    """One build. `name` is the tag of the image, too; `bases` are images that each tool builds before.

    `old` says the same in words that Debian's Docker engine knows, where it does not know these: then the
    trees and the config must be equal, the history need not be. `apart` is what Docker is no judge of:
    paths, keys of the config, "links", "history", or "status" for all of it. `reason` says why, after
    "differences.md: " with the words of a row there.
    """

    name: str
    dockerfile: str | bytes
    context: Mapping[str, Item] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    fails: bool = False
    bases: Mapping[str, str] = field(default_factory=dict)
    old: str = ""
    reason: str = ""
    apart: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.name


def write_context(folder: Path, context: Mapping[str, Item]) -> None:
    """Makes the files of a context below `folder`; folders get their modes when they are full."""
    modes: dict[Path, int] = {}
    for name, item in context.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(item, int):
            path.mkdir(exist_ok=True)
            modes[path] = item
        elif isinstance(item, Link):
            path.symlink_to(item.target)
        elif isinstance(item, Hard):
            os.link(folder / item.path, path)
        else:
            _write_file(path, item if isinstance(item, File) else File(item))
    for path, mode in modes.items():
        path.chmod(mode)


def _write_file(path: Path, file: File) -> None:
    content = file.content.encode() if isinstance(file.content, str) else file.content
    path.write_bytes(content)
    if file.capability:
        os.setxattr(path, "security.capability", file.capability)
    path.chmod(file.mode)


def member(name: str, content: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    """One member of a tar: a file unless `type` says otherwise; a name that ends in "/" is a folder."""
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = len(content), 0o644, 1_000_000_000
    if name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    for key, value in fields.items():
        setattr(info, key, value)
    return info, content


def tar(*members: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> bytes:
    """A tar of `members`; `mode` as tarfile has it: "w:gz" compresses."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()

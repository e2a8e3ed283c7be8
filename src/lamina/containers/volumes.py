"""-v and --tmpfs: folders and files of the host, and of memory, in a container."""

from __future__ import annotations

import os
import posixpath

from lamina.errors import Denied, InvalidInput, Unsupported
from lamina.mount.types import Mount

_TMPFS = ("noexec", "nosuid", "nodev")  # unless it is said
_TMPFS_VALUES = ("size", "mode", "uid", "gid", "nr_inodes", "nr_blocks")
_MEANINGLESS = {"rw", "z", "Z", "private", "rprivate", "consistent", "cached", "delegated", "nocopy"}


def parse(volumes: tuple[str, ...], tmpfs: tuple[str, ...] = ()) -> tuple[Mount, ...]:
    """The mounts for HOST:CONTAINER[:OPTIONS]; a missing host folder is made, as Docker does.

    `tmpfs` are those of memory, CONTAINER[:OPTIONS]. InvalidInput for what is malformed, Unsupported for
    named and anonymous volumes, Denied.
    """
    mounts = [_parse(volume) for volume in dict.fromkeys(volumes)]
    mounts += [_parse_tmpfs(text) for text in dict.fromkeys(tmpfs)]
    seen: set[str] = set()
    for mount in mounts:
        if mount.target in seen:
            raise InvalidInput(f"Duplicate mount point: {mount.target}")
        seen.add(mount.target)
    return tuple(mounts)


def _parse(volume: str) -> Mount:
    source, *rest = volume.split(":")
    if not rest:
        raise Unsupported(
            f"{volume!r} is a volume without a host folder, and Lamina has no volumes",
            hint="write HOST:CONTAINER with a folder of the host",
        )
    if len(rest) > 2 or not source or not rest[0]:
        raise InvalidInput(f"invalid volume specification: '{volume}'")
    target, options = posixpath.normpath(rest[0]), rest[1].split(",") if len(rest) == 2 else []
    if not rest[0].startswith("/"):
        raise InvalidInput(
            f"invalid volume specification: '{volume}': invalid mount config for type \"bind\": "
            f"invalid mount path: '{rest[0]}' mount path must be absolute"
        )
    if target.strip("/") == "":
        raise InvalidInput(f"invalid volume specification: '{volume}': destination can't be '/'")
    if target == "/dev":
        raise Unsupported(
            f"invalid volume specification: '{volume}': devices of the host do not work in a container",
            hint="a file or folder in /dev can be given by itself, for what it contains",
        )
    unknown = [word for word in options if word != "ro" and word not in _MEANINGLESS]
    if unknown or (len(rest) == 2 and not rest[1]):
        raise InvalidInput(f"invalid volume specification: '{volume}': unknown option {','.join(unknown)!r}")
    path = _host_path(source)
    return Mount("bind", target, path, read_only="ro" in options, recursive=True)


def _parse_tmpfs(text: str) -> Mount:
    target, _, options = text.partition(":")
    if not target.startswith("/"):
        raise InvalidInput(f"invalid tmpfs: '{text}': mount path must be absolute", hint="PATH[:OPTIONS]")
    if posixpath.normpath(target).strip("/") == "":
        raise InvalidInput(f"invalid tmpfs: '{text}': destination can't be '/'")
    words = dict.fromkeys(_TMPFS)
    read_only = False
    for word in filter(None, options.split(",")):
        name = word.partition("=")[0]
        if word in ("ro", "rw"):
            read_only = word == "ro"
        elif word in ("exec", "suid"):
            words.pop(f"no{word}", None)
        elif name in _TMPFS_VALUES and word != name:
            words = {kept: None for kept in words if not kept.startswith(f"{name}=")} | {word: None}
        elif word == "dev":
            raise Unsupported(
                f"invalid tmpfs: '{text}': devices do not work in a container", hint="leave dev out"
            )
        elif word not in _TMPFS:
            known = ", ".join(("ro", "exec", "suid", *_TMPFS_VALUES))
            raise InvalidInput(f"invalid tmpfs option {word!r}", hint=f"one of {known}")
        else:
            words[word] = None
    return Mount("tmpfs", posixpath.normpath(target), options=",".join(words), read_only=read_only)


def _host_path(source: str) -> str:
    if source.startswith("."):
        source = os.path.abspath(source)
    elif not source.startswith("/"):
        raise Unsupported(
            f"{source!r} is a named volume, and Lamina has none",
            hint=f"for a folder write its path: ./{source} or an absolute one",
        )
    if not os.path.exists(source):
        try:
            os.makedirs(source, 0o755, exist_ok=True)
        except OSError as error:
            raise Denied(f"cannot make the folder {source} for a volume: {error.strerror}") from None
    return source

"""RUN --mount: options expanded, defaults filled in, and what of it counts in the cache key."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import expand
from lamina.dockerfile.mounts import BadMount, Mount, parse
from lamina.graph.ingredients import MOST_LISTED, describe
from lamina.graph.key import Ingredient
from lamina.graph.ops import THE_CONTEXT, RunMount, SourceRef
from lamina.graph.state import join_path

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lamina.dockerfile import Run
    from lamina.graph.ingredients import Picked
    from lamina.graph.state import StageState

_SECRETS = "/run/secrets/"
_AGENT = "/run/buildkit/ssh_agent."
AGENT_VARIABLE = "SSH_AUTH_SOCK"
_NOTHING = SourceRef(image="scratch")


class Content(NamedTuple):
    """What a bind, or the beginning of a cache, shows, as it counts in the key; `listing` explains it."""

    text: str
    listing: tuple[Ingredient, ...] = ()


def run_mounts(state: StageState, run: Run, find: Callable[[str], SourceRef]) -> tuple[RunMount, ...]:
    """The mounts of a RUN in their order. BadMount; `find` says what a from= stands for."""
    found: list[RunMount] = []
    for text in run.mounts:
        mount = parse(text, lambda value: expand(value, state.env, state.scope.escape))
        agents = sum(other.type == "ssh" for other in found)
        found.append(_KINDS[mount.type](state, mount, find, agents))
    return tuple(found)


def agent_of(mounts: Sequence[RunMount]) -> str:
    """What SSH_AUTH_SOCK is where nothing else says it: the first agent's socket; "" without one."""
    return next((mount.target for mount in mounts if mount.type == "ssh"), "")


def _bind(state: StageState, mount: Mount, find: Callable[[str], SourceRef], _: int) -> RunMount:
    ref = find(mount.from_) if mount.from_ else THE_CONTEXT
    return _shown(state, mount, ref)


def _cache(state: StageState, mount: Mount, find: Callable[[str], SourceRef], _: int) -> RunMount:
    ref = find(mount.from_) if mount.from_ else _NOTHING
    made = _shown(state, mount, ref)
    return made._replace(
        id=mount.id or _clean(mount.target),
        sharing=mount.sharing or "shared",
        mode=mount.mode,
        uid=mount.uid,
        gid=mount.gid,
    )


def _shown(state: StageState, mount: Mount, ref: SourceRef) -> RunMount:
    return RunMount(
        type=mount.type,
        target=_target(state, mount),
        source=join_path("/", mount.source)[1:],
        stage=ref.stage,
        image=ref.image,
        context=ref.context,
        read_only=mount.readonly,
    )


def _tmpfs(state: StageState, mount: Mount, _: object, __: int) -> RunMount:
    return RunMount("tmpfs", _target(state, mount), read_only=mount.readonly, size=mount.size)


def _secret(state: StageState, mount: Mount, _: object, __: int) -> RunMount:
    name = mount.source or mount.id or mount.target.rstrip("/").rpartition("/")[2]
    target = mount.target
    if not target and mount.env is None:
        target = _SECRETS + name.rstrip("/").rpartition("/")[2]
    return RunMount(
        type="secret",
        target=_placed(state, target) if target else "",
        id=name,
        read_only=True,
        mode=0o400 if mount.mode is None else mount.mode,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        required=mount.required,
        env=mount.env or "",
    )


def _ssh(state: StageState, mount: Mount, _: object, agents: int) -> RunMount:
    return RunMount(
        type="ssh",
        target=_placed(state, mount.target) if mount.target else f"{_AGENT}{agents}",
        id=mount.id or "default",
        read_only=True,
        mode=0o600 if mount.mode is None else mount.mode,
        uid=mount.uid or 0,
        gid=mount.gid or 0,
        required=mount.required,
    )


def _target(state: StageState, mount: Mount) -> str:
    """Where a folder or file is shown: from the working directory on, which it is itself without a target."""
    return _placed(state, mount.target)


def _placed(state: StageState, target: str) -> str:
    path = join_path(state.config.working_dir or "/", target)
    if path == "/":
        raise BadMount(f'invalid mount target "{path}"', hint="give a folder or file in it: target=PATH")
    return path


def _clean(path: str) -> str:
    """A path without doubled slashes, `.` and `..`; it stays relative. What Go calls path.Clean."""
    if path.startswith("/"):
        return join_path("/", path)
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts and parts[-1] != "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts) or "."


_KINDS: dict[str, Callable[..., RunMount]] = {
    "bind": _bind,
    "cache": _cache,
    "tmpfs": _tmpfs,
    "secret": _secret,
    "ssh": _ssh,
}

# What counts of each type beside its target; where a bind's files lie counts by what they are.
_COUNTS = {
    "bind": ("read_only",),
    "cache": ("read_only", "mode", "uid", "gid"),
    "tmpfs": ("read_only", "size"),
    "secret": ("id", "mode", "uid", "gid", "required", "env"),
    "ssh": ("id", "mode", "uid", "gid", "required"),
}


def mount_parts(
    mounts: Sequence[RunMount], contents: Sequence[Content | None]
) -> tuple[list[Ingredient], tuple[Ingredient, ...]]:
    """What counts of a RUN's mounts, and what explains it. `contents` are None where none is shown.

    Never: what a secret, an agent or a cache holds.
    """
    parts: list[Ingredient] = []
    listing: list[Ingredient] = []
    for number, (mount, content) in enumerate(zip(mounts, contents, strict=True), 1):
        facts = {name: getattr(mount, name) for name in _COUNTS[mount.type]}
        parts.append(Ingredient(f"mount {number} {mount.type} {mount.target}", json.dumps(facts)))
        if content is not None:
            parts.append(Ingredient(f"mount {number} content", content.text))
            listing += content.listing
    return parts, tuple(listing[:MOST_LISTED])


def content_of(mount: RunMount, picked: Picked) -> Content:
    """The content of what a mount shows: names below it, metadata and content of files; no mtime."""
    hasher = hashlib.sha256()
    listing: list[Ingredient] = []
    for entry in picked.entries:
        line = describe(entry)
        hasher.update(b"%b\0%d:%b" % (entry.path, len(line), line))
        if len(listing) < MOST_LISTED:
            name = "/".join(filter(None, (mount.source, entry.path.decode(errors="backslashreplace"))))
            listing.append(Ingredient(f"file {name or '.'}", line.decode(errors="backslashreplace")))
    return Content(hasher.hexdigest(), tuple(listing))


def content_of_layers(mount: RunMount, content_id: str) -> Content:
    """The same, told by the layers that it is taken from: quick, and a miss means nothing."""
    return Content(f"layers {content_id} {mount.source}")

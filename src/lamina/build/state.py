"""What a process runs with right after a step, as text: kept in the record of a build, for `run --step`.

Values of secrets and of proxies are no part of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.graph.ops import RunOp

if TYPE_CHECKING:
    from lamina.graph.ops import Op, RunMount
    from lamina.graph.state import StageState


def to_text(
    state: StageState, op: Op | None, cache_space: str | None = None, stubs: tuple[bytes, ...] = ()
) -> str:
    """What build.stepstate reads. `cache_space` is the build's BUILDKIT_CACHE_MOUNT_NS."""
    config, image = state.config, state.image
    env = [f"{name}={value}" for name, value in state.env.items()]
    values: dict[str, object] = {
        "config": config.to_json(),
        "env": env,
        "shell": state.shell[0],
        "cwd": config.working_dir or "/",
        "user": config.user,
        "network": "host",
        "args": [],
        "mounts": [],
        "platform": [image.architecture, image.os, image.variant],
        "stubs": [stub.decode(errors="surrogateescape") for stub in stubs],
    }
    if isinstance(op, RunOp):
        values["args"], values["network"] = op.args, op.network
        values["env"] = [f"{variable.name}={variable.value}" for variable in op.env]
        values["cwd"], values["user"] = op.cwd, op.user
        values["mounts"] = [_mount(mount, cache_space) for mount in op.mounts]
    return json.dumps(values)


def _is_image(name: str) -> bool:
    return name not in ("", "scratch")


def _mount(mount: RunMount, cache_space: str | None) -> dict[str, object]:
    """What is needed to have a mount again; nothing of what a secret holds."""
    return {
        "type": mount.type,
        "target": mount.target,
        "id": f"{cache_space}/{mount.id}" if cache_space else mount.id,
        "sharing": mount.sharing,
        "mode": 0o755 if mount.mode is None else mount.mode & 0o7777,
        "uid": mount.uid or 0,
        "gid": mount.gid or 0,
        "size": mount.size,
        "read_only": mount.read_only,
        "seeded": bool(mount.source or mount.context) or mount.stage is not None or _is_image(mount.image),
    }

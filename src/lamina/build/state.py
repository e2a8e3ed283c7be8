"""What a process runs with right after a step, as text: kept in the record of a build, for `run --step`.

Values of secrets and of proxies are no part of it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from lamina.graph.ops import RunOp

if TYPE_CHECKING:
    from lamina.graph.ops import Op
    from lamina.graph.state import StageState


def to_text(state: StageState, op: Op | None, stubs: tuple[bytes, ...] = ()) -> str:
    """What build.stepstate reads."""
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
        values["mounts"] = [_shown(mount) for mount in getattr(op, "mounts", ())]
    return json.dumps(values)


def _shown(mount: object) -> str:
    """`cache /root/.cache`: what a person needs to know of a mount that is not there any more."""
    return f"{getattr(mount, 'type', 'mount')} {getattr(mount, 'target', '')}".strip()

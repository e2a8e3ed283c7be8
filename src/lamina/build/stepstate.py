"""StepState: what build.state wrote down of a step, read again."""

from __future__ import annotations

import json
from typing import NamedTuple


class StepMount(NamedTuple):
    """One --mount of a RUN: what is needed to have it again, for some types."""

    type: str  # bind, cache, tmpfs, secret, ssh
    target: str
    id: str
    sharing: str
    mode: int
    uid: int
    gid: int
    size: int  # bytes of a tmpfs; 0 for no bound
    read_only: bool
    seeded: bool  # it began with the content of a stage, an image or a context


class StepState(NamedTuple):
    """The text as values. `args` is the command line of a RUN, () for other steps; `stubs` as in Process."""

    config: dict[str, object]  # as in an image's config
    env: tuple[str, ...]  # "NAME=value": all that a RUN sees
    shell: str
    cwd: str
    user: str
    network: str
    args: tuple[str, ...]
    mounts: tuple[StepMount, ...]  # of a RUN
    architecture: str
    os: str
    variant: str
    stubs: tuple[str, ...]


def parse(text: str) -> StepState:
    """What build.state.to_text wrote."""
    values = json.loads(text)
    architecture, system, variant = values["platform"]
    return StepState(
        values["config"],
        tuple(values["env"]),
        values["shell"],
        values["cwd"],
        values["user"],
        values["network"],
        tuple(values["args"]),
        tuple([StepMount(**mount) for mount in values["mounts"]]),
        architecture,
        system,
        variant,
        tuple(values["stubs"]),
    )

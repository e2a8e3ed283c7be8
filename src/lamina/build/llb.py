"""The steps of a build as BuildKit's provenance lists them: LLB operations as JSON, each with its inputs.

The form is that of pb.Op (solver/pb/ops.proto) as far as our steps have it. What LLB does not have stands
under `lamina`: the cache key, the diff ID, and whether the step was found in the cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.remotes import redacted
from lamina.graph.ops import CopyOp, RunOp
from lamina.graph.stages import SCRATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.done import DoneStep, Facts
    from lamina.graph.ops import RunMount, WorkdirOp
    from lamina.graph.stages import Plan, Stage
    from lamina.oci.platform import Platform

Json = dict[str, object]

_LOCAL = "local://"
_NETWORKS = {"host": "HOST", "none": "NONE"}


class Definition(NamedTuple):
    """`steps` are the entries of llbDefinition; `ids` has the step of each cache key, `lines` those of the
    Dockerfile by step, `layers` the diff IDs that a step leaves, bottom first."""

    steps: list[Json]
    ids: dict[str, str]
    lines: dict[str, tuple[int, int]]
    layers: dict[str, tuple[str, ...]]


def define(plan: Plan, needed: Sequence[int], facts: Facts) -> Definition:
    """The definition of a build: sources first, each stage after those that it needs, the result last."""
    maker = _Maker(plan, facts)
    for number in needed:
        maker.stage(plan.stages[number], [step for step in facts.steps if step.stage == number])
    maker.add({"Op": None}, [maker.last[plan.target]])
    return Definition(maker.steps, maker.ids, maker.lines, maker.layers)


class _Maker:
    """Numbers the steps as they come."""

    def __init__(self, plan: Plan, facts: Facts) -> None:
        self.steps: list[Json] = []
        self.ids: dict[str, str] = {}
        self.lines: dict[str, tuple[int, int]] = {}
        self.layers: dict[str, tuple[str, ...]] = {}
        self.last: dict[int, str] = {}  # of each stage
        self._sources: dict[tuple[str, str], str] = {}  # by identifier and platform
        self._own = plan.scope.platform
        self._digests = {
            (image.name, image.platform or str(self._own)): image.digest for image in facts.images
        }

    def add(self, op: Json, inputs: Sequence[str], more: Json | None = None) -> str:
        """One more step; its name as an input of others. "" among `inputs` stands for nothing."""
        name = f"step{len(self.steps)}"
        step: Json = {"id": name, "op": op}
        used = list(dict.fromkeys(each for each in inputs if each))
        if used:
            step["inputs"] = used
        self.steps.append(step | (more or {}))
        return f"{name}:0"

    def stage(self, stage: Stage, steps: Sequence[DoneStep]) -> None:
        """FROM and what follows it."""
        if stage.parent is not None:
            self.last[stage.number] = self.last[stage.parent]
        else:
            self.last[stage.number] = self._base(stage)
        for step in steps:
            self.last[stage.number] = self._step(step, self.last[stage.number], stage.platform)

    def _base(self, stage: Stage) -> str:
        if stage.context:
            return self._source(f"context://{stage.context}")
        if stage.base == SCRATCH:
            return ""
        source = stage.source.source
        name = self._image(stage.base, stage.platform)
        self.lines.setdefault(name.partition(":")[0], (source.start_line, source.end_line))
        return name

    def _step(self, done: DoneStep, below: str, platform: Platform) -> str:
        op = done.op
        if isinstance(op, RunOp):
            made, others = (
                _exec(op),
                [self._from(mount) for mount in op.mounts if mount.type in ("bind", "cache")],
            )
        elif isinstance(op, CopyOp):
            made, others = _copy(op), [self._from(op), *[self._source(redacted(uri)) for uri in op.remotes]]
        else:
            made, others = _mkdir(op), []
        words = done.created_by
        for remote in op.remotes if isinstance(op, CopyOp) else ():
            words = words.replace(remote, redacted(remote))
        note = {"key": done.key, "diffID": done.diff_id, "createdBy": words, "cached": done.cached}
        name = self.add({"Op": made, "platform": _platform(platform)}, [below, *others], {"lamina": note})
        step = name.partition(":")[0]
        self.ids[done.key] = step
        self.lines[step] = (done.source.start_line, done.source.end_line)
        self.layers[name] = (*self.layers.get(below, ()), done.diff_id)
        return name

    def _from(self, where: CopyOp | RunMount) -> str:
        """The step that a COPY or a mount takes from."""
        if where.stage is not None:
            return self.last[where.stage]
        if where.context:
            return self._source(f"context://{where.context}")
        if where.image:
            return "" if where.image == SCRATCH else self._image(where.image, self._own)
        reads = len(where.sources) > len(where.remotes) if isinstance(where, CopyOp) else where.type == "bind"
        return self._source(_LOCAL + "context") if reads else ""

    def _image(self, name: str, platform: Platform) -> str:
        digest = self._digests.get((name, str(platform)))
        return self._source(f"docker-image://{name}" + (f"@{digest}" if digest else ""), platform)

    def _source(self, identifier: str, platform: Platform | None = None) -> str:
        platform = platform or self._own
        key = identifier, str(platform)
        if key not in self._sources:
            op = {"Op": {"source": {"identifier": identifier}}, "platform": _platform(platform)}
            self._sources[key] = self.add(op, [])
        return self._sources[key]


def _platform(platform: Platform) -> Json:
    made: Json = {"Architecture": platform.architecture, "OS": platform.os}
    if platform.variant:
        made["Variant"] = platform.variant
    return made


def _exec(op: RunOp) -> Json:
    meta: Json = {
        "args": list(op.args),
        "env": [f"{name}={value}" for name, value, _ in op.env],
        "cwd": op.cwd,
    }
    if op.user:
        meta["user"] = op.user
    made: Json = {"meta": meta, "mounts": [{"dest": "/"}, *[_mount(mount) for mount in op.mounts]]}
    if op.network in _NETWORKS and op.network != "host":
        made["network"] = _NETWORKS[op.network]
    if op.security == "insecure":
        made["security"] = "INSECURE"
    hidden = [{"ID": m.id, "name": m.env, "optional": not m.required} for m in op.mounts if m.env]
    if hidden:
        made["secretenv"] = hidden
    return {"exec": made}


def _mount(mount: RunMount) -> Json:
    """Of a secret and of an agent only the ID is known here."""
    made: Json = {"dest": mount.target, "mountType": mount.type.upper()}
    if mount.source:
        made["selector"] = mount.source
    if mount.read_only:
        made["readonly"] = True
    if mount.type == "cache":
        made["cacheOpt"] = {"ID": mount.id or mount.target, "sharing": mount.sharing.upper()}
    if mount.type in ("secret", "ssh"):
        made["secretOpt" if mount.type == "secret" else "SSHOpt"] = {
            "ID": mount.id,
            "optional": not mount.required,
        }
    return made


def _copy(op: CopyOp) -> Json:
    actions: list[Json] = []
    for document in op.documents:
        action = {"path": document.name, "data": document.content}
        actions.append({"Action": {"mkfile": action}})
    for source in op.sources:
        action = {"src": redacted(source) if source in op.remotes else source, "dest": op.dest}
        if op.chown:
            action["owner"] = op.chown
        if op.chmod:
            action["modeStr"] = op.chmod
        actions.append({"Action": {"copy": action}})
    return {"file": {"actions": actions}}


def _mkdir(op: WorkdirOp) -> Json:
    return {"file": {"actions": [{"Action": {"mkdir": {"path": op.path, "makeParents": True}}}]}}

"""Provenance of a build: the SLSA predicate (v1, or v0.2) as BuildKit lays it out.

What each field means is in moby/buildkit, docs/attestations/slsa-definitions.md. `mode=min` leaves out build
arguments, labels, secrets, the Dockerfile and the steps. Secrets never appear with more than their ID.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, NamedTuple

from lamina.build.llb import define
from lamina.db import layerdb
from lamina.dockerfile.remotes import redacted
from lamina.errors import InvalidInput, Unsupported
from lamina.graph.ops import RunOp
from lamina.graph.scope import PROXY_NAMES
from lamina.oci.digest import DiffID
from lamina.oci.purl import image_purl
from lamina.transfer.register import make_manifest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lamina.build.done import Facts
    from lamina.build.request import BuildRequest
    from lamina.layers.context import Layers

Json = dict[str, object]

V1 = "https://slsa.dev/provenance/v1"
V02 = "https://slsa.dev/provenance/v0.2"
_TYPE_V1 = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md"
_TYPE_V02 = "https://mobyproject.org/buildkit@v1"
_FRONTEND = "dockerfile.v0"
_SECRET = ("build-arg:", "label:")  # what mode=min leaves out


class Options(NamedTuple):
    """What --provenance says beside its mode."""

    version: str = "v1"
    builder_id: str = ""
    reproducible: bool = False
    inline_only: bool = False
    filename: str = "provenance.json"  # beside the files, where an output has no index


class Predicate(NamedTuple):
    """What an in-toto statement says, and the type of that."""

    type: str
    document: Json


def options(values: Mapping[str, str]) -> Options:
    """Reads `version`, `builder-id`, `reproducible`, `inline-only`, `filename`. InvalidInput, Unsupported."""
    known = {"version", "builder-id", "reproducible", "inline-only", "filename"}
    for name in values:
        if name not in known:
            raise Unsupported(
                f"--provenance has no {name!r} here", hint="one of mode, " + ", ".join(sorted(known))
            )
    version = values.get("version", "v1")
    if version not in ("v1", "v0.2"):
        raise InvalidInput(f"invalid provenance SLSA version: {version}", hint="v1 or v0.2")
    filename = values.get("filename", Options().filename)
    if not filename or "/" in filename or filename in (".", ".."):
        raise InvalidInput(f"invalid file name for provenance: {filename!r}", hint="a name without folders")
    return Options(
        version,
        values.get("builder-id", ""),
        _bool(values, "reproducible"),
        _bool(values, "inline-only"),
        filename,
    )


def predicate(
    ctx: Layers,
    facts: Facts,
    invocation: str,
    builder: str,
    version: str,
) -> Predicate:
    """The provenance of the image that a build made.

    `invocation` names the build; `builder` is the platform of this machine as os/architecture, `version` is
    Lamina's. InvalidInput for bad options.
    """
    chosen = options(facts.request.provenance_options)
    full = facts.request.provenance == "max"
    parts = _parts(facts, full)
    config = _build_config(ctx, facts) if full else None
    times = (invocation, facts.started, facts.finished)
    if chosen.version == "v0.2":
        return Predicate(V02, _v02(parts, config, chosen, times, builder))
    return Predicate(V1, _v1(parts, config, chosen, times, builder, version))


class _Parts(NamedTuple):
    """What both versions say, under other names."""

    source: Json  # uri, digest
    path: str
    parameters: Json
    complete: bool  # the parameters
    materials: list[Json]
    materials_complete: bool
    hermetic: bool


class _Config(NamedTuple):
    build: Json
    metadata: Json


def _parts(facts: Facts, full: bool) -> _Parts:
    request = facts.request
    given = _arguments(request)
    kept = given if full else {k: v for k, v in given.items() if not k.startswith(_SECRET)}
    parameters: Json = {"frontend": _FRONTEND, "args": kept}
    if full:
        for name in ("secret", "ssh"):
            used = _used(facts, name)
            if used:
                parameters["secrets" if name == "secret" else "ssh"] = used
    context = next((each for each in facts.materials if each.is_context), None)
    locals_ = [] if context else [{"name": "context"}, {"name": "dockerfile"}]
    if request.context is None and request.archive is None:
        locals_ = [{"name": "dockerfile"}]
    if locals_:
        parameters["locals"] = locals_
    source: Json = {"uri": context.uri, "digest": {context.algorithm: context.digest}} if context else {}
    complete = not locals_
    network = any(isinstance(step.op, RunOp) and step.op.network != "none" for step in facts.steps)
    return _Parts(
        source=source,
        path=request.dockerfile_name,
        parameters=parameters,
        complete=len(kept) == len(given),
        materials=_materials(facts, str(facts.plan.scope.platform)),
        materials_complete=complete,
        hermetic=complete and not network,
    )


def _arguments(request: BuildRequest) -> dict[str, str]:
    """The request as BuildKit's front end would be given it. Proxies are the machine's, not the build's."""
    given = {f"build-arg:{k}": v for k, v in request.build_args.items() if k not in PROXY_NAMES}
    given |= {f"label:{name}": value for name, value in request.labels.items()}
    given |= {f"context:{name}": redacted(value) for name, value in request.contexts.items()}
    if request.target:
        given["target"] = request.target
    if request.no_cache or request.no_cache_filter:
        given["no-cache"] = "" if request.no_cache else ",".join(request.no_cache_filter)
    if request.network != "host":
        given["force-network-mode"] = request.network
    if request.add_hosts:
        given["add-hosts"] = ",".join(f"{name}={address}" for name, address in request.add_hosts)
    if request.shm_size:
        given["shm-size"] = str(request.shm_size)
    if request.ulimits:
        given["ulimit"] = ",".join(f"{name}={soft}:{hard}" for name, soft, hard in request.ulimits)
    return dict(sorted(given.items()))


def _used(facts: Facts, kind: str) -> list[Json]:
    """The IDs of the secrets, or of the agents, that steps mount; one that a step needs is not optional."""
    needs: dict[str, bool] = {}
    for step in facts.steps:
        for mount in step.op.mounts if isinstance(step.op, RunOp) else ():
            if mount.type == kind:
                name = mount.id or ("default" if kind == "ssh" else "")
                needs[name] = needs.get(name, False) or mount.required
    return [{"id": name} | ({} if needed else {"optional": True}) for name, needed in sorted(needs.items())]


def _materials(facts: Facts, platform: str) -> list[Json]:
    found: list[Json] = []
    for image in facts.images:
        try:
            uri = image_purl(image.name, image.platform or platform)
        except InvalidInput:  # an image that was named by its ID
            uri = f"pkg:docker/{image.name.replace(':', '%3A')}"
        algorithm, _, digest = image.digest.partition(":")
        found.append({"uri": uri, "digest": {algorithm: digest}})
    found += [{"uri": each.uri, "digest": {each.algorithm: each.digest}} for each in facts.materials]
    return [each for number, each in enumerate(found) if each not in found[:number]]


def _build_config(ctx: Layers, facts: Facts) -> _Config:
    """The steps, and what ties them to lines and layers."""
    made = define(facts.plan, facts.needed, facts)
    locations = {
        step: {"locations": [{"ranges": [{"start": {"line": first}, "end": {"line": last}}]}]}
        for step, (first, last) in made.lines.items()
    }
    text = base64.b64encode(facts.request.dockerfile).decode()
    info = {"filename": facts.request.dockerfile_name, "language": "Dockerfile", "data": text}
    layers = {step: [_descriptors(ctx, diff_ids)] for step, diff_ids in made.layers.items()}
    metadata: Json = {"source": {"locations": locations, "infos": [info]}}
    if layers:
        metadata["layers"] = layers
    return _Config({"llbDefinition": made.steps, "digestMapping": made.ids}, metadata)


def _descriptors(ctx: Layers, diff_ids: Iterable[str]) -> list[Json]:
    """The layers as the store has them: as they were received, else as plain tars."""
    diffs = [layerdb.need_diff(ctx.db.read(), DiffID(diff_id)) for diff_id in diff_ids]
    return [layer.to_json() for layer in make_manifest(ctx, b"", diffs).layers]


def _v1(
    parts: _Parts,
    config: _Config | None,
    chosen: Options,
    times: tuple[str, str, str],
    builder: str,
    version: str,
) -> Json:
    internal: Json = {"builderPlatform": builder}
    if config:
        internal["buildConfig"] = config.build
    invocation, started, finished = times
    return {
        "buildDefinition": {
            "buildType": _TYPE_V1,
            "externalParameters": {
                "configSource": {**parts.source, "path": parts.path},
                "request": parts.parameters,
            },
            "internalParameters": internal,
            "resolvedDependencies": parts.materials,
        },
        "runDetails": {
            "builder": {"id": chosen.builder_id, "version": {"lamina": version}},
            "metadata": {
                "invocationId": invocation,
                "startedOn": started,
                "finishedOn": finished,
                "buildkit_metadata": config.metadata if config else {},
                "buildkit_hermetic": parts.hermetic,
                "buildkit_completeness": {
                    "request": parts.complete,
                    "resolvedDependencies": parts.materials_complete,
                },
                "buildkit_reproducible": chosen.reproducible,
            },
        },
    }


def _v02(
    parts: _Parts, config: _Config | None, chosen: Options, times: tuple[str, str, str], builder: str
) -> Json:
    invocation, started, finished = times
    document: Json = {
        "builder": {"id": chosen.builder_id},
        "buildType": _TYPE_V02,
        "materials": parts.materials,
        "invocation": {
            "configSource": {**parts.source, "entryPoint": parts.path},
            "parameters": parts.parameters,
            "environment": {"platform": builder},
        },
        "metadata": {
            "buildInvocationID": invocation,
            "buildStartedOn": started,
            "buildFinishedOn": finished,
            "completeness": {
                "parameters": parts.complete,
                "environment": True,
                "materials": parts.materials_complete,
            },
            "reproducible": chosen.reproducible,
            f"{_TYPE_V02}#hermetic": parts.hermetic,
            f"{_TYPE_V02}#metadata": config.metadata if config else {},
        },
    }
    return document | ({"buildConfig": config.build} if config else {})


def _bool(values: Mapping[str, str], name: str) -> bool:
    text = values.get(name, "false").lower()
    if text not in ("true", "false", "1", "0"):
        raise InvalidInput(f"invalid value for {name} of --provenance: {text!r}", hint="true or false")
    return text in ("true", "1")

"""Platforms other than this machine's: what --platform asks for, what a base is for, and what runs here.

Builds for this machine alone do not load it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lamina.events import Notice
from lamina.oci import platform as platforms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.session import Session
    from lamina.graph.scope import Scope
    from lamina.graph.stages import Stage
    from lamina.oci.platform import Platform

_HANDLERS = "/proc/sys/fs/binfmt_misc"
# As qemu and Debian's qemu-user-static call what runs an architecture.
_QEMU = {
    "386": "i386",
    "arm64": "aarch64",
    "loong64": "loongarch64",
    "mipsle": "mipsel",
    "mips64le": "mips64el",
}
_NATIVE = {("amd64", "386"), ("arm64", "arm")}  # what a kernel runs without help, mostly


def targets(texts: Sequence[str], machine: Platform) -> tuple[Platform, ...]:
    """The platforms that --platform names, each once; this machine's where it names none.

    `local` is this machine. InvalidInput for what is none.
    """
    found: dict[str, Platform] = {}
    for text in texts:
        platform = machine if text == "local" else platforms.parse(text, machine)
        found.setdefault(str(platform), platform)
    return tuple(found.values()) or (machine,)


def stage_scope(session: Session, stage: Stage, own: Platform) -> Scope:
    """The scope of a stage whose base is for the platform `own`, which may not be what is asked for.

    Where nothing was asked for and this machine runs such programs, the stage is for the base's platform;
    else the build goes on with a warning, as BuildKit's does.
    """
    scope, wanted = session.plan.scope, stage.platform
    if own.normalised()[:2] != wanted.normalised()[:2]:
        implicit = stage.source.platform is None and not session.request.platforms
        if implicit and can_run(own, scope.platform):
            wanted = own
        else:
            what = f'Base image {stage.base} was pulled with platform "{own}", expected "{wanted}"'
            line = stage.source.source.start_line
            told = f"[Warning] InvalidBaseImagePlatform: {what} for current build (line {line})"
            session.observer(Notice(told))
    return scope if wanted == scope.platform else scope._replace(platform=wanted)


def can_run(platform: Platform, machine: Platform) -> bool:
    """Whether programs for `platform` run here: natively, or through a handler of binfmt_misc."""
    if platform.os != machine.os:
        return False
    if platform.architecture == machine.architecture:
        return True
    if (machine.architecture, platform.architecture) in _NATIVE:
        return True
    return has_handler(platform.architecture)


def has_handler(architecture: str) -> bool:
    """Whether binfmt_misc has qemu's handler for an architecture, switched on."""
    name = _QEMU.get(architecture, architecture)
    try:
        with open(f"{_HANDLERS}/qemu-{name}", encoding="utf-8", errors="replace") as file:
            return file.readline().strip() == "enabled"
    except OSError:
        return False


def exec_hint(platform: Platform) -> str:
    """What to do when the kernel cannot run a program for `platform`."""
    if can_run(platform, platforms.host(os.uname().machine)):
        return f"it is no program for {platform}"
    return (
        f"this machine does not run programs for {platform}: install qemu-user-static and binfmt-support "
        "(as root), or build on such a machine"
    )


def label(stage: Stage, scope: Scope) -> str:
    """The platform in a step's label when a build is for several: `linux/arm64`, `linux/amd64->arm64`."""
    own, wanted = stage.platform, scope.platform
    if own.architecture == wanted.architecture or not _cross_compiles(stage):
        return str(own)
    variant = f"/{wanted.variant}" if wanted.variant else ""
    return f"{own}->{wanted.architecture}{variant}"


def _cross_compiles(stage: Stage) -> bool:
    """Whether a stage asks what it is built for."""
    from lamina.dockerfile import Arg

    names = {pair.name for ins in stage.instructions if isinstance(ins, Arg) for pair in ins.pairs}
    return bool(names & {"TARGETPLATFORM", "TARGETARCH"})

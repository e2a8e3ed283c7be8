"""Scope: what all stages of one build share: its arguments, its platform, where its text comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.oci.platform import Platform

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
PROXY_NAMES = frozenset(_PROXIES) | frozenset(name.lower() for name in _PROXIES)
EPOCH = "SOURCE_DATE_EPOCH"
SCAN_STAGE, SCAN_CONTEXT = NOT_IN_ENV = ("BUILDKIT_SBOM_SCAN_STAGE", "BUILDKIT_SBOM_SCAN_CONTEXT")
SYNTAX, HOSTNAME = "BUILDKIT_SYNTAX", "BUILDKIT_SANDBOX_HOSTNAME"
_SPEAKING = "BUILD_NAME CACHE_MOUNT_NS CONTEXT_KEEP_GIT_DIR DOCKERFILE_CHECK INLINE_BUILDINFO_ATTRS"
_SPEAKING += " INLINE_CACHE MULTI_PLATFORM SANDBOX_HOSTNAME SYNTAX SBOM_SCAN_STAGE SBOM_SCAN_CONTEXT"
# --build-arg that speak to the builder itself, and need no ARG.
SPEAKING = frozenset("BUILDKIT_" + name for name in _SPEAKING.split())


class Scope(NamedTuple):
    """What holds in every stage; `platform` is what is built for, in the state of a stage that stage's own.

    `build_args` are the user's --build-arg; `global_args` are those, the platform's, and what ARG says
    before the first FROM: a stage sees one of them when it declares it.
    """

    build_args: Mapping[str, str]
    global_args: Mapping[str, str]
    platform: Platform
    escape: str = "\\"
    network: str = "host"  # of a RUN that does not say

    @property
    def proxies(self) -> tuple[tuple[str, str], ...]:
        """Proxy variables that were given; every RUN has them, in both spellings, without an ARG."""
        given = {name.upper(): value for name, value in self.build_args.items() if name in PROXY_NAMES}
        return tuple((n, value) for name, value in given.items() for n in (name, name.lower()))

    @property
    def epoch(self) -> int | None:
        """SOURCE_DATE_EPOCH: the time in seconds of all that is made. InvalidInput if it is no number."""
        return seconds_of_epoch(self.build_args.get(EPOCH) or self.global_args.get(EPOCH) or "")


def seconds_of_epoch(text: str) -> int | None:
    """What SOURCE_DATE_EPOCH says, in seconds since 1970; None for "". InvalidInput if it is no number."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise InvalidInput(f"invalid {EPOCH}: {text}", hint="it is a time in whole seconds since 1970")
    return int(text)


def platform_args(platform: Platform, target: str, machine: Platform | None = None) -> dict[str, str]:
    """The arguments that every build has: BUILD* of the machine, TARGET* of `platform`, and TARGETSTAGE.

    Without `machine` the build is for the platform that it runs on.
    """
    args: dict[str, str] = {}
    for side, one in (("BUILD", machine or platform), ("TARGET", platform)):
        args[side + "PLATFORM"] = str(one)
        args[side + "OS"] = one.os
        args[side + "OSVERSION"] = one.os_version
        args[side + "ARCH"] = one.architecture
        args[side + "VARIANT"] = one.variant
    args["TARGETSTAGE"] = target or "default"
    return args

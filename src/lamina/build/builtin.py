"""Build arguments that speak to the builder itself (BUILDKIT_*), `# syntax=`, and what has no effect here.

What each argument means is in docs/dockerfile.md. Nothing that was asked for is passed over in silence: what
cannot be done is refused where the result would be another, and named in a Notice where it would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile import Add, DockerfileError, Run, SourceRange, locate
from lamina.errors import InvalidInput, Unsupported
from lamina.gobool import FALSE, TRUE, truth
from lamina.graph.scope import HOSTNAME, SPEAKING, SYNTAX

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lamina.build.request import BuildRequest
    from lamina.dockerfile import Dockerfile
    from lamina.graph.stages import Plan

INLINE = "lamina.cache.v1"  # of an image's config: transfer.cache.inline.KEY
_MULTI = "BUILDKIT_MULTI_PLATFORM"
_KEEP_GIT_DIR = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
_OWN = "lamina"  # host name
_LONGEST = 64  # bytes of a host name, for Linux
_BUILT_IN = "dockerfile.v0"  # what BuildKit calls the front end that it has itself
_IDLE = {
    "BUILDKIT_BUILD_NAME": "a build is called after its context",
    "BUILDKIT_INLINE_BUILDINFO_ATTRS": "--provenance says how an image was built",
}


def hostname(build_args: Mapping[str, str]) -> str:
    """The host name of a RUN: BUILDKIT_SANDBOX_HOSTNAME, else our own. InvalidInput."""
    name = build_args.get(HOSTNAME) or _OWN
    if len(name.encode(errors="surrogateescape")) > _LONGEST or not name.isprintable() or " " in name:
        raise InvalidInput(
            f"invalid {HOSTNAME} {name[:80]!r}",
            hint=f"a host name has up to {_LONGEST} letters, and no spaces",
        )
    return name


def wants_index(build_args: Mapping[str, str], platforms: int) -> bool:
    """Whether there is to be an index: for several platforms, or BUILDKIT_MULTI_PLATFORM. InvalidInput."""
    wanted = _truth(build_args, _MULTI)
    if wanted is False and platforms > 1:
        raise InvalidInput(
            "conflicting config: returning multiple target platforms is not allowed",
            hint=f"{_MULTI} is {build_args[_MULTI]}, and --platform names several",
        )
    return platforms > 1 if wanted is None else wanted


def keeps_git_dir(build_args: Mapping[str, str]) -> bool:
    """Whether a context that is a Git repository keeps its .git folder. InvalidInput."""
    return bool(_truth(build_args, _KEEP_GIT_DIR))


def wants_inline_cache(build_args: Mapping[str, str]) -> bool:
    """Whether the image gets its cache inside, as with --cache-to type=inline. No error, as in BuildKit."""
    return build_args.get("BUILDKIT_INLINE_CACHE", "") in TRUE


def _truth(build_args: Mapping[str, str], name: str) -> bool | None:
    """What an argument says; None without it. InvalidInput for what Go does not read as a boolean."""
    text = build_args.get(name, "")
    said = truth(text)
    if text and said is None:
        raise InvalidInput(f"invalid boolean value for {name}: {text}", hint="true or false")
    return said


def check(request: BuildRequest, dockerfile: Dockerfile) -> None:
    """Refuses what would change the result and cannot be done. DockerfileError, InvalidInput, Unsupported."""
    _check_front_end(request.build_args, dockerfile)
    if request.contexts:
        from lamina.build.named import check_paths  # most builds have none

        check_paths(request.contexts)
    if any(name in SPEAKING for name in request.build_args):
        hostname(request.build_args)
        keeps_git_dir(request.build_args)


def _check_front_end(build_args: Mapping[str, str], dockerfile: Dockerfile) -> None:
    """BUILDKIT_SYNTAX, else `# syntax=`: the language must be the one that Lamina reads itself."""
    asked = build_args.get(SYNTAX)
    text = dockerfile.directives.get("syntax", "") if asked is None else asked
    image = text.split(" ", 1)[0]
    if not image or image == _BUILT_IN or _is_dockerfile(image):
        return
    what = f"the front end {image} cannot be loaded"
    hint = "Lamina reads the language of docker/dockerfile by itself, and no other"
    if asked is not None:
        raise Unsupported(f"{what} ({SYNTAX})", hint=hint)
    raise _at_directive(dockerfile, image, what, hint)


def _is_dockerfile(image: str) -> bool:
    """Whether a front end reads Dockerfiles: docker/dockerfile of any version, upstream, labs or mirrored."""
    return image.partition("@")[0].rpartition("/")[2].startswith("dockerfile")


def _at_directive(dockerfile: Dockerfile, word: str, detail: str, hint: str) -> DockerfileError:
    from lamina.dockerfile.source import error_at  # only for errors

    line = next((n for n, text in enumerate(dockerfile.lines, 1) if word in text), 1)
    return error_at(dockerfile.name, dockerfile.lines, SourceRange(line, line), detail, at=word, hint=hint)


def notices(request: BuildRequest, plan: Plan) -> Iterator[str]:
    """What was asked for and has no effect."""
    for name, why in _IDLE.items():
        if request.build_args.get(name) not in (None, "", *FALSE):
            yield f"[Warning] {name} has no effect: {why}"
    for stage in plan.stages:
        for instruction in stage.instructions:
            if isinstance(instruction, Run) and instruction.mounts:
                yield from _idle_options(plan.dockerfile, instruction)
            elif isinstance(instruction, Add) and instruction.keep_git_dir is not None:
                yield from _no_repository(plan.dockerfile, instruction)


def _idle_options(dockerfile: Dockerfile, run: Run) -> Iterator[str]:
    from lamina.dockerfile.mounts import idle_options  # most builds have no mounts

    for mount in run.mounts:
        for name in idle_options(mount):
            what = f"{name} has no effect on this type of mount"
            yield f"[Warning] {locate(dockerfile, run, what, at=name).message}"


def _no_repository(dockerfile: Dockerfile, add: Add) -> Iterator[str]:
    """A source with a variable may be one."""
    from lamina.dockerfile.remotes import parse_git  # few have the flag

    if not any("$" in source or parse_git(source, known=True) for source in add.sources):
        what = "--keep-git-dir has no effect: no source is a Git repository"
        yield f"[Warning] {locate(dockerfile, add, what, at='--keep-git-dir').message}"

"""bring: a main context that is no folder of this machine: an archive, a Git repository, a URL."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.build.builtin import keeps_git_dir
from lamina.build.context import Context
from lamina.build.contexts import first_ignore
from lamina.build.unpacked import UnpackedContext, unpack_context
from lamina.build.unpacking import is_archive
from lamina.dockerfile import IgnoreFile
from lamina.dockerfile.remotes import file_name, is_http, parse_git, redacted
from lamina.errors import InvalidInput, NotFound
from lamina.graph.scope import EPOCH
from lamina.store.guard import guard
from lamina.tree.entry import Kind
from lamina.tree.tree import resolve

if TYPE_CHECKING:
    from lamina.build.contexts import Contexts
    from lamina.build.remote import RemoteFile
    from lamina.build.request import BuildRequest
    from lamina.dockerfile.remotes import GitSource

_PLAIN = "context"  # the name of a file that is no archive, in the context that it is
_LARGEST = 16 << 20  # bytes of a Dockerfile


def bring(contexts: Contexts) -> tuple[BuildRequest, Context]:
    """Fetches the context of a build and finds the Dockerfile in it.

    NotFound when the context is nothing at all, or has no such Dockerfile; the failures of fetching.
    """
    request = contexts.request
    raw, time, name = _fetch(contexts)
    path = ""
    try:
        if is_http(request.dockerfile_inside):
            request = bring_dockerfile(contexts)
        elif request.dockerfile_inside:
            text, path = _dockerfile(raw, name or request.dockerfile_inside)
            request = request._replace(dockerfile=text, dockerfile_name=path)
        ignore = _ignore(raw, request, path)
    finally:
        raw.close()
    if request.build_args.get(EPOCH) == "context":
        request = request._replace(build_args={**request.build_args, EPOCH: str(time)})
    return request, raw.ignoring(ignore)


def bring_dockerfile(contexts: Contexts) -> BuildRequest:
    """The request with a Dockerfile that lies at a URL."""
    request = contexts.request
    file = contexts.remotes.file(request.dockerfile_inside)
    if file.size > _LARGEST:
        raise InvalidInput(f"{redacted(file.url)} is larger than {_LARGEST} bytes")
    with file.open() as stream:
        return request._replace(dockerfile=stream.read(), dockerfile_name=file_name(file.url))


def _fetch(contexts: Contexts) -> tuple[Context, int, str]:
    """The context with all that is in it, its time, and the Dockerfile's name if the place decides it."""
    request = contexts.request
    if request.archive is not None:
        return (*unpacked(contexts, request.archive, "the build context on STDIN"), "")
    place = request.context or ""
    source = parse_git(place)
    if source is not None:
        if source.keep_git_dir is None and keeps_git_dir(request.build_args):
            source = source._replace(keep_git_dir=True)
        return (*checked_out(contexts, source), "")
    if is_http(place):
        return _from_url(contexts, place)
    fault = "is not a folder" if os.path.lexists(place) else "not found"
    raise NotFound(f"unable to prepare context: path {place!r} {fault}")


def unpacked(contexts: Contexts, stream: BinaryIO, name: str) -> tuple[Context, int]:
    """An archive as a context, and its newest time in seconds."""
    contexts.enter()
    folder = contexts.remotes.folder() + "/tree"
    made = unpack_context(stream, folder, name, contexts.observer)
    return UnpackedContext(folder, None, made.entries), made.newest


def checked_out(contexts: Contexts, source: GitSource) -> tuple[Context, int]:
    """The files of a commit as a context, and its time."""
    found = contexts.remotes.tree(source)
    return Context(found.folder, None, {}), found.time


def _from_url(contexts: Contexts, url: str) -> tuple[Context, int, str]:
    """An archive, or a Dockerfile alone, which is then all that the context has."""
    file = contexts.remotes.file(url)
    if is_archive(file.open):
        with file.open() as stream:
            context, newest = unpacked(contexts, stream, redacted(url))
        return context, file.time or newest, ""
    folder = lay_file(contexts, file, _PLAIN)
    return Context(folder, None, {}), file.time, _PLAIN


def lay_file(contexts: Contexts, file: RemoteFile, name: str) -> str:
    """A folder with one file in it: what a URL leads to, as ADD would make it."""
    folder = contexts.remotes.folder()
    path = f"{folder}/{name}"
    with guard(path), file.open() as stream, open(path, "wb") as out:
        while data := stream.read(1 << 20):
            out.write(data)
    os.chmod(path, 0o600)
    os.utime(path, (file.time, file.time))
    return folder


def _dockerfile(raw: Context, name: str) -> tuple[bytes, str]:
    """The Dockerfile `name` of a context, also when it is written in small letters, and its path."""
    folder, slash, last = name.rpartition("/")
    names = [name, f"{folder}{slash}dockerfile"] if last == "Dockerfile" else [name]
    for each in names:
        found = _read(raw, each)
        if found is not None:
            return found, each
    raise NotFound(
        f"failed to read dockerfile: {name}: no such file in the build context",
        hint="-f NAME is a Dockerfile's path in the context",
    )


def _ignore(raw: Context, request: BuildRequest, path: str) -> IgnoreFile | None:
    """The patterns of DOCKERFILE.dockerignore, else of .dockerignore in the context."""
    if request.dockerfile_path:
        found = first_ignore([f"{request.dockerfile_path}.dockerignore"])
        if found is not None:
            return found
    for name in (f"{path}.dockerignore", ".dockerignore") if path else (".dockerignore",):
        data = _read(raw, name)
        if data is not None:
            return IgnoreFile.parse(data)
    return None


def own_ignore(raw: Context) -> Context:
    """A further context, less what its own .dockerignore leaves out."""
    try:
        data = _read(raw, ".dockerignore")
    finally:
        raw.close()
    return raw if data is None else raw.ignoring(IgnoreFile.parse(data))


def _read(raw: Context, name: str) -> bytes | None:
    """A file of a context, links in it followed; None when it is not there."""
    path = resolve(name.strip("/").encode(errors="surrogateescape"), raw.get)
    entry = raw.get(path)
    if entry is None or entry.kind is not Kind.FILE:
        return None
    if entry.size > _LARGEST:
        raise InvalidInput(f"{name} of the build context is larger than {_LARGEST} bytes")
    with raw.open(entry) as file:
        return file.read()

"""Contexts and Dockerfiles of `build` that do not lie on this machine, told apart as buildx does."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.archive.compression import MAGIC_SIZE, detect
from lamina.build.request import BuildRequest
from lamina.cli.streams import read_file
from lamina.dockerfile.remotes import is_http, parse_git
from lamina.errors import InvalidInput, NotFound
from lamina.tree.tar.decode import is_header
from lamina.tree.tar.header import BLOCK

if TYPE_CHECKING:
    from collections.abc import Mapping

_DOCKERFILE = "Dockerfile"


def request_for(place: str, file: str) -> BuildRequest:
    """A request with its context and its Dockerfile, or where that is to be found. NotFound, InvalidInput."""
    if place == "-":
        return _from_stdin(file)
    is_local = os.path.isdir(place)
    if not is_local and not is_http(place) and parse_git(place) is None:
        fault = "is not a folder" if os.path.lexists(place) else "not found"
        raise NotFound(f"unable to prepare context: path {place!r} {fault}")
    return _with_dockerfile(BuildRequest(place, b""), file)


def with_agent(request: BuildRequest, environ: Mapping[str, str]) -> BuildRequest:
    """A repository that is reached over ssh gets the agent without --ssh, if there is one."""
    source = parse_git(request.context or "")
    if source is None or request.ssh or "SSH_AUTH_SOCK" not in environ:
        return request
    if source.remote.startswith(("http://", "https://", "git://")):
        return request
    from lamina.cli.build_flags import parse_ssh  # only here

    return request._replace(ssh=(parse_ssh("default", environ),))


def _with_dockerfile(request: BuildRequest, file: str) -> BuildRequest:
    """-f: STDIN, a URL, an absolute path of this machine, or a path in the context."""
    if file == "-":
        return request._replace(dockerfile=read_file("-"))
    if os.path.isabs(file) or (file and os.path.isdir(request.context or "") and not is_http(file)):
        if not os.path.exists(file):
            raise NotFound(f"failed to read dockerfile: {file}: no such file")
        return request._replace(
            dockerfile=read_file(file), dockerfile_name=os.path.basename(file), dockerfile_path=file
        )
    return request._replace(dockerfile_name=file or _DOCKERFILE, dockerfile_inside=file or _DOCKERFILE)


def _from_stdin(file: str) -> BuildRequest:
    """An archive, which is the context; anything else is a Dockerfile, without a context."""
    if file == "-":
        raise InvalidInput("invalid argument: can't use stdin for both build context and dockerfile")
    stream = cast("BinaryIO", sys.stdin.buffer)
    head = _beginning(stream)
    if detect(head[:MAGIC_SIZE]) or is_header(head):
        archive = cast("BinaryIO", _Begun(head, stream))
        return _with_dockerfile(BuildRequest(None, b"", archive=archive), file)
    if file:
        raise InvalidInput("ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles")
    return BuildRequest(None, head + stream.read())


def _beginning(stream: BinaryIO) -> bytes:
    """The first block of a stream, or all that it has."""
    head = b""
    while len(head) < BLOCK and (more := stream.read(BLOCK - len(head))):
        head += more
    return head


class _Begun:
    """A stream of which the beginning was read already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int = -1) -> bytes:
        """The next bytes."""
        if not self._head:
            return self._rest.read(size)
        if size < 0:
            data, self._head = self._head + self._rest.read(), b""
            return data
        data, self._head = self._head[:size], self._head[size:]
        return data

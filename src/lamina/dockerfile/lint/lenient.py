"""Reads what stands before the error of a broken Dockerfile, so that this much can be checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.lines import without_continuation
from lamina.dockerfile.parser import parse
from lamina.dockerfile.source import DockerfileError

if TYPE_CHECKING:
    from lamina.dockerfile.parser import Dockerfile


def parse_before_error(data: bytes, name: str) -> tuple[Dockerfile | None, DockerfileError | None]:
    """The Dockerfile, or what stands before its first error (None if that is nothing) and the error."""
    try:
        return parse(data, name), None
    except DockerfileError as error:
        fault = error
    lines = data.split(b"\n")[: fault.line - 1]
    while lines:
        text = lines[-1].decode("utf-8", "replace").rstrip("\r")
        if not any(without_continuation(text, escape) is not None for escape in ("\\", "`")):
            break
        lines.pop()
    try:
        return parse(b"\n".join(lines), name), fault
    except DockerfileError:
        return None, fault

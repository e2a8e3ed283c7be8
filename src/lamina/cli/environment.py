"""-e and --env-file: the environment that a container is given, in Docker's forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.streams import read_file
from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def collect(files: Iterable[str], texts: Iterable[str], environ: Mapping[str, str]) -> list[str]:
    """`NAME=value` of all files, then of all flags, so that these win.

    A bare NAME takes its value from `environ`. Where that has none, a flag stays a bare NAME, which takes the
    image's variable away; a line of a file counts for nothing.
    """
    entries = [entry for path in files for entry in from_file(path, environ)]
    for text in texts:
        if not text.partition("=")[0]:
            raise InvalidInput(
                f"invalid environment variable: {text}", hint="it is written NAME=VALUE, or NAME"
            )
        entries += _complete(text, environ) or [text]
    return entries


def from_file(path: str, environ: Mapping[str, str]) -> list[str]:
    """The variables of an --env-file: a line each, comments begin with #, values are taken as they stand."""
    entries: list[str] = []
    data = read_file(path).removeprefix(b"\xef\xbb\xbf")
    try:
        lines = data.decode().split("\n")
    except UnicodeDecodeError:
        raise InvalidInput(f"env file {path} contains invalid utf8 bytes") from None
    for number, line in enumerate(lines, 1):
        line = line.lstrip().removesuffix("\r")
        if not line or line.startswith("#"):
            continue
        name = line.partition("=")[0]
        if not name:
            raise InvalidInput(f"invalid env file ({path}): no variable name on line {number}: {line!r}")
        if name != name.strip() or any(mark in name for mark in " \t"):
            raise InvalidInput(f"invalid env file ({path}): variable '{name}' contains whitespaces")
        entries += _complete(line, environ)
    return entries


def _complete(text: str, environ: Mapping[str, str]) -> list[str]:
    if "=" in text:
        return [text]
    return [f"{text}={environ[text]}"] if text in environ else []

"""Where the outputs of a build go (--output): a folder, a file that is complete or not there, or stdout."""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lamina.errors import Denied, NoSpace, NotFound
from lamina.transfer.output import write_local, write_output

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.build.request import BuildResult, Output
    from lamina.layers.context import Layers


def write_outputs(ctx: Layers, result: BuildResult, outputs: Sequence[Output]) -> None:
    """Writes the image of a build to each of `outputs`. NotFound, Denied, NoSpace for their places."""
    for output in outputs:
        if output.type == "local":
            write_local(ctx, result.image_id, output.dest)
            continue
        with _sink(output.dest) as sink:
            write_output(ctx, result.image_id, result.tags, output.type, sink.write)


@contextmanager
def _sink(dest: str) -> Iterator[BinaryIO]:
    """A file at `dest` once all is written; "-" is this process's standard output."""
    if dest == "-":
        with os.fdopen(os.dup(1), "wb") as out:
            yield out
        return
    temporary = f"{dest}.{os.getpid()}.tmp"
    try:
        with open(temporary, "wb") as out:
            yield out
        os.replace(temporary, dest)
    except FileNotFoundError:
        raise NotFound(f"cannot write {dest}: there is no such folder") from None
    except OSError as error:
        kind = NoSpace if error.errno in (errno.ENOSPC, errno.EDQUOT) else Denied
        raise kind(f"cannot write {dest}: {error.strerror}") from None
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)

"""Tracing: what a RUN reads of the layers below it is recorded while it runs, where that is possible.

A step is never worse off for it: what cannot be traced runs as ever, with the reason kept in place of the
read set; and what failed while its recording failed is run again without.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from lamina.build.adopting import Seen
from lamina.db import cachedb
from lamina.graph.rules import UNTOUCHED
from lamina.trace.recorder import Untraced

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from lamina.build.session import Tools
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.layerdb import Diff
    from lamina.graph.ops import RunOp
    from lamina.layers.lookup import Lookup
    from lamina.mount.types import Mount
    from lamina.sandbox.accounts import Identity
    from lamina.trace.recorder import Recording

# From outside, and not in the key: what they show may be another thing the next time.
_OUTSIDE = {
    "ssh": "it may ask an SSH agent (--mount=type=ssh)",
    "secret": "it has a secret (--mount=type=secret)",
}
# Inode numbers are long in a recorded file system: old 32-bit programs cannot take them. These load such.
_LOADERS_32 = (b"lib/ld-linux.so.2", b"usr/lib/ld-linux.so.2", b"lib/ld-linux-armhf.so.3")
_MACHINES_32 = frozenset({"386", "arm", "mips", "mipsle"})


class Again(Exception):
    """The recording failed, so what the step did may be wrong: it is to be run again without. It says why."""


class Tracing:
    """Of one step: its recording; or `doubt`, why there is none. `identity` is whom the process will be."""

    def __init__(self, recording: Recording | None, doubt: str, identity: Identity | None = None) -> None:
        self._recording = recording
        self.doubt = doubt
        self.identity = identity

    @contextmanager
    def root(self, mounts: tuple[Mount, ...]) -> Iterator[int]:
        """The root of the process while it is started, mounted already; -1 for one that is not."""
        fd = -1
        if self._recording is not None:
            try:
                fd = self._recording.mount(mounts[0])
            except Untraced as error:
                self.close()
                raise Again(error.message) from None
        try:
            yield fd
        finally:
            if fd >= 0:
                os.close(fd)

    def ended(self) -> None:
        """The process has ended, and nothing of it is left."""
        if self._recording is not None:
            self._recording.ended()

    def seen(self, c: sqlite3.Connection, diff: Diff) -> Seen:
        """What the step read, with its layer, whose rows are there: see Adoption. Again."""
        if self._recording is None:
            return Seen(0, None, self.doubt)
        # all that the layer has counts as read, as far as the layers below could have had it
        traced = self._recording.finish([entry.path for entry in cachedb.files(c, diff.diff_id)])
        self._recording = None
        if traced.spoiled:  # a program may have taken an error for an answer, and gone on
            raise Again(traced.doubt)
        return Seen(traced.paths, traced.read_set, traced.doubt)

    def failed(self) -> bool:
        """Ends it after the process failed: whether the recording may be why."""
        recording, self._recording = self._recording, None
        return recording is not None and recording.failed()

    def close(self) -> None:
        """Ends it, if nothing else has."""
        if self._recording is not None:
            self._recording.close()
            self._recording = None


def begin(run: StageRun, work: Work, tools: Tools, below: Lookup) -> Tracing:
    """Begins to trace a step, if it can be."""
    op = cast("RunOp", work.op)
    doubt = _doubt(run, op, tools, below)
    identity = run.miss.identity if run.miss is not None else None
    if doubt or tools.recorder is None:
        return Tracing(None, doubt)
    if identity is None:  # a user that is not there is refused as ever
        return Tracing(None, f"its user {op.user} is not known")
    try:
        return Tracing(tools.recorder.start(run.chain()), "", identity)
    except Untraced as error:
        return Tracing(None, error.message)


def _doubt(run: StageRun, op: RunOp, tools: Tools, below: Lookup) -> str:
    if UNTOUCHED in run.session.request.rules_off:
        return "it was done with --cache-rule -untouched"
    if tools.recorder is None:
        return tools.untraced or "steps are not traced here"
    if op.security == "insecure":
        return "it has all powers (--security=insecure)"
    for mount in op.mounts:
        if mount.type in _OUTSIDE:
            return _OUTSIDE[mount.type]
    if run.state.scope.platform.architecture in _MACHINES_32 or any(map(below.get, _LOADERS_32)):
        return "there are 32-bit programs"
    return ""

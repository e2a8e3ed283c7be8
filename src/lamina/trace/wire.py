"""What goes between a builder, the server and the daemon of a recording."""

from __future__ import annotations

from typing import NamedTuple

REQUEST_SIZE = 1 << 17  # bytes of the longest request for a recording: a chain of more than a thousand layers
# What a daemon says first: it is ready, and the mount comes with this; or it is not, and why.
READY, REFUSED = b"r", b"n"
SPOILED = b"!"  # as REFUSED, and the step was told of errors that were ours
# What it is told at the end: that the step ended, so that it can begin to count up. Then what it is asked:
# whether all went well; or what was read, with the paths at which the layer has something.
ENDED, ASK_STATE, ASK_READ_SET = b".", b"?", b"+"


class Setting(NamedTuple):
    """What is the same for all recordings."""

    database: str
    prefix: bytes  # of overlay's attributes here
    # The first and the last ID of each range that exists here: what has another owner is root's, as on disk.
    uids: tuple[tuple[int, int], ...]
    gids: tuple[tuple[int, int], ...]


class Traced(NamedTuple):
    """What a step read of the layers below it, packed (tree.readset); or why that is not known."""

    read_set: bytes | None
    paths: int  # observations in it
    doubt: str
    spoiled: bool = (
        False  # the step may have done something else than it would have, had it not been recorded
    )


def encode(traced: Traced) -> bytes:
    """The answer to ASK_READ_SET, or to ASK_STATE."""
    if traced.read_set is None:
        return (SPOILED if traced.spoiled else REFUSED) + traced.doubt.encode(errors="backslashreplace")
    return READY + traced.paths.to_bytes(4, "little") + traced.read_set


def decode(answer: bytes) -> Traced:
    """What `encode` was given; a doubt when there is no answer."""
    if answer[:1] == READY and len(answer) >= 5:
        return Traced(answer[5:], int.from_bytes(answer[1:5], "little"), "")
    if answer[:1] in (REFUSED, SPOILED):
        doubt = answer[1:].decode(errors="replace") or "the recorder failed"
        return Traced(None, 0, doubt, answer[:1] == SPOILED)
    return Traced(None, 0, "the recorder died", spoiled=True)

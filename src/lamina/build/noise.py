"""Known noise: what comes out otherwise each time that a step is done, whatever it stands on.

Only --cache-rule verify looks here. A difference is noise when its path has a line in the table below and,
where the line has a test, when the two contents are the same but for what the test leaves out.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import LaminaError
from lamina.layers.difffiles import open_in_diff

if TYPE_CHECKING:
    from collections.abc import Callable

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

_MOST = 64 << 20  # bytes of a file that a test reads
_PYC_TIME = slice(8, 12)


class Noise(NamedTuple):
    """A line of the table; `without` takes out of a content what does not count."""

    pattern: re.Pattern[bytes]
    reason: str
    without: Callable[[bytes], bytes] | None = None


def noise(ctx: Layers, layers: tuple[DiffID, DiffID], path: bytes, what: str) -> str:
    """Why a difference between two layers at `path` is only noise; "" when it is not.

    `what` says in what they differ, as verifying.Unlike does. Another owner or mode is never noise.
    """
    if what not in ("content", "added", "removed"):
        return ""
    for each in _TABLE:
        if each.pattern.fullmatch(path) is None:
            continue
        if each.without is None:
            return each.reason
        if what == "content" and _same(ctx, layers, path, each.without):
            return each.reason
    return ""


def _same(ctx: Layers, layers: tuple[DiffID, DiffID], path: bytes, without: Callable[[bytes], bytes]) -> bool:
    try:
        old, new = (_read(ctx, diff_id, path) for diff_id in layers)
    except LaminaError:
        return False
    return without(old) == without(new)


def _read(ctx: Layers, diff_id: DiffID, path: bytes) -> bytes:
    with open_in_diff(ctx, diff_id, path) as file:
        data = b""
        while chunk := file.read(_MOST - len(data)):
            data += chunk
        return data


def _without_source_time(data: bytes) -> bytes:
    """A compiled Python module without the time of its source, where it goes by that."""
    goes_by_time = data[4:8] == b"\0\0\0\0"
    return data[: _PYC_TIME.start] + data[_PYC_TIME.stop :] if goes_by_time else data


def _without_days(data: bytes) -> bytes:
    """/etc/shadow without the days on which passwords were changed."""
    rows = [line.split(b":") for line in data.split(b"\n")]
    return b"\n".join([b":".join(row[:2] + row[3:]) for row in rows])


def _line(pattern: bytes, reason: str, without: Callable[[bytes], bytes] | None = None) -> Noise:
    return Noise(re.compile(pattern, re.DOTALL), reason, without)


_TABLE = (
    _line(rb"(.*/)?[^/]+\.pyc", "compiled Python: the time of its source", _without_source_time),
    _line(rb"etc/g?shadow-?", "the day a password was set", _without_days),
    _line(rb"var/log/.+", "a log with times in it"),
    _line(rb"var/cache/ldconfig/aux-cache", "times and numbers of libraries"),
    _line(rb"var/cache/apt/(src)?pkgcache\.bin", "times of package lists"),
    _line(rb"var/cache/fontconfig/.+", "times of folders of fonts"),
    _line(rb"var/cache/man/.+", "times of manual pages"),
    _line(rb"(var/lib|usr/lib/sysimage)/rpm/.+", "times of installation"),
    _line(rb"var/(lib|cache)/(dnf|libdnf5|yum)/.+", "times of installation"),
    _line(rb"etc/ssl/certs/java/cacerts", "times of certificates' import"),
    _line(rb"(.*/)?\.npm/_logs/.+", "a log with times in it"),
    _line(rb"(.*/)?\.npm/_cacache/index-v5/.+", "times of downloads"),
    _line(rb"(.*/)?\.cache/pip/(http|http-v2|selfcheck)/.+", "times of downloads"),
    _line(rb"(.*/)?\.git/(index|logs/.+)", "times of files and commits"),
    _line(rb"(etc|var/lib/dbus)/machine-id", "random by its nature"),
    _line(rb"etc/ssh/ssh_host_[^/]+_key(\.pub)?", "random by its nature"),
    _line(rb"etc/ssl/(certs|private)/ssl-cert-snakeoil\.(pem|key)", "random by its nature"),
)

"""What is known to come out of each build anew, by the names of files and the fields of configs. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

EPOCH = "set SOURCE_DATE_EPOCH, or put the image through `lamina normalise`"
NO_BYTECODE = "pip install --no-compile, PYTHONDONTWRITEBYTECODE=1"
NO_TIMES_IN_BYTECODE = f"{NO_BYTECODE}, or ARG SOURCE_DATE_EPOCH: then it holds a hash of the source"
_SAME_RUN = "remove it in the same RUN"


class Known(NamedTuple):
    """Why it differs, and what would make it equal."""

    reason: str
    advice: str


_RULES = (
    (
        rb"var/cache/ldconfig/aux-cache\Z",
        "ldconfig notes inode numbers and times",
        "rm /var/cache/ldconfig/aux-cache in the same RUN",
    ),
    (
        rb"var/log/|.*\.log(\.\d+)?\Z",
        "a log, with times",
        "rm -rf /var/log/* in the same RUN",
    ),
    (
        rb"var/lib/apt/lists/",
        "package lists as they were on the day",
        "rm -rf /var/lib/apt/lists/* in the same RUN",
    ),
    (
        rb"var/cache/(apt|yum|dnf|libdnf5|apk|debconf|man)/|etc/apk/cache/",
        "a cache of the package manager",
        f"{_SAME_RUN}, or RUN --mount=type=cache",
    ),
    (
        rb"(.*/)?(\.cache|\.npm|\.cargo/registry|_cacache)/",
        "a cache of a package manager",
        "pip install --no-cache-dir, npm cache clean --force, or RUN --mount=type=cache",
    ),
    (
        rb"(etc|var/lib/dbus)/machine-id\Z",
        "an ID that is made up anew",
        "empty it in the same RUN: : > /etc/machine-id",
    ),
    (
        rb"etc/ssh/ssh_host_|etc/ssl/private/|etc/ssl/certs/ssl-cert-snakeoil|.*/random-seed\Z",
        "keys that are made anew",
        "make them when the container starts",
    ),
    (
        rb"etc/shadow-?\Z",
        "it notes the day of the last change of a password",
        "SOURCE_DATE_EPOCH with useradd of shadow 4.15 or later; else chage -d 0 USER",
    ),
    (
        rb"var/cache/fontconfig/|.*/\.uuid\Z",
        "caches that are named at random",
        _SAME_RUN,
    ),
    (
        rb"var/lib/dpkg/status(-old)?\Z|(usr/)?lib/apk/db/|.*/rpmdb\.sqlite",
        "other packages, or other versions of them, were installed",
        "pin the versions, or install from a snapshot of the archive",
    ),
    (
        rb"(var/)?tmp/",
        "something that the build left behind",
        f"{_SAME_RUN}, or RUN --mount=type=tmpfs,target=/tmp",
    ),
)
_NAMES = [(re.compile(pattern, re.DOTALL), Known(*words)) for pattern, *words in _RULES]

_FIELDS = {
    "created": Known("the time of the build", "set SOURCE_DATE_EPOCH"),
    "Labels": Known("a label has a value of its own in each build", "give the same --label and --build-arg"),
    "Env": Known("an ARG, or the base image, has another value", "give the same --build-arg, pin the base"),
}
_FIELD = Known("the base images or the arguments were not the same", "pin the base image by its digest")

_COPY = re.compile(r"(?:/bin/sh -c #\(nop\) +)?(COPY|ADD)\b")
_DOWNLOAD = re.compile(
    r"\b(apt|apt-get|apk|dnf|microdnf|yum|zypper|pip3?|uv|npm|yarn|pnpm|curl|wget|git|go|cargo|gem)\b"
)
_CONTEXT = {
    "time": Known("the times of the files in the build context: of the checkout", EPOCH),
    "mode": Known("the modes of the files in the build context: the umask of the checkout", "COPY --chmod"),
}
_OTHER_CONTEXT = Known("the build contexts were not the same", "check out one commit; see .dockerignore")
_FETCHED = Known("it may be that what was downloaded had changed", "pin versions and digests")

HISTORY = Known("each line of history notes when it was made", "set SOURCE_DATE_EPOCH")

OF_TARS = {
    "order": Known(
        "the tar has the same files in another order: as the disk listed them",
        "`lamina normalise`, or a builder that sorts",
    ),
    "header": Known(
        "the tars were written by different programs, or on machines with other users",
        "`lamina normalise`, or the same builder",
    ),
}

OF_ENTRIES = {
    "time": Known("the time at which the build wrote it", EPOCH),
    "owner": Known(
        "a user that got the next free number, or the owner of whoever built it",
        "useradd --uid N, COPY --chown=0:0, or `lamina normalise`",
    ),
    "mode": Known("the umask of whoever built it, or of the checkout", "COPY --chmod, or the same umask"),
    "hard link": Known("which of a file's names came first", "`lamina normalise`"),
}


def of_name(path: bytes) -> Known | None:
    """What is known of files with this name (relative, as in Entry)."""
    return next((known for pattern, known in _NAMES if pattern.match(path)), None)


def of_field(name: str) -> Known:
    """What is known of a field of the config."""
    return _FIELDS.get(name, _FIELD)


def of_instruction(created_by: str, what: str) -> Known | None:
    """What is known of files that this instruction made; `what` differs."""
    if _COPY.match(created_by):
        return _CONTEXT.get(what, _OTHER_CONTEXT if what in ("content", "there", "link", "type") else None)
    fetches = what in ("content", "there") and _DOWNLOAD.search(created_by) is not None
    return _FETCHED if fetches else None

"""The conformance suite of registries: the points of the OCI distribution-spec 1.1, one check a point.

A check is a function that takes a Bench (one registry, spoken to in plain HTTP, not through Lamina's client)
and asserts. Its name says what is promised; to add a promise is to add a function. To have a registry
checked, run every check; each works in repositories of its own, so that they may run in any order:

    for check in CHECKS:
        run(check, Target("http://localhost:5000", user="me", password="secret", lacks={"referrers"}))

What `lacks` names is left out (isolate.Skip): parts of the spec that a registry may do without are

    referrers        the referrers API, and the header OCI-Subject
    delete-tags      a tag deleted alone
    delete           manifests and blobs deleted
    order            a piece out of order is refused with 416
    one-post         a blob in a single POST (202 is allowed instead)
    pages            tags in order, and pages of them (`n`, `last`)
    limits           a manifest of more than 4 MiB is refused
    members          an index whose manifests are not there is refused
    resume           what came of a piece before the connection broke is kept
    ranges           parts of blobs
    range-errors     a sound answer to a part that is not there, or is none
    strict           `null` and "a//b" are refused as a manifest and as a name

tests/registry/test_conformance.py runs it on Debian's docker-registry, tests/serving on ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.testing.registries import access, blobs, clients, deletes, discovery, manifests, uploads
from lamina.testing.registries.bench import Bench, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    Check = Callable[[Bench], None]

CHECKS: tuple[Check, ...] = tuple(
    check
    for module in (access, blobs, uploads, manifests, discovery, deletes, clients)
    for name, check in vars(module).items()
    if name.startswith("check_")
)


def run(check: Check, target: Target) -> None:
    """Runs one check. AssertionError when the promise is not kept; isolate.Skip."""
    with Bench(target, check.__name__.removeprefix("check_")) as bench:
        check(bench)


__all__ = ["CHECKS", "Target", "run"]

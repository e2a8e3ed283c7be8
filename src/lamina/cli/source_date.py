"""SOURCE_DATE_EPOCH of the environment: the one time of all that a command makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.graph.scope import EPOCH, seconds_of_epoch

if TYPE_CHECKING:
    from collections.abc import Mapping


def source_date(environ: Mapping[str, str]) -> str:
    """The time (RFC 3339), "" where it is not set. InvalidInput."""
    seconds = seconds_of_epoch(environ.get(EPOCH, ""))
    if seconds is None:
        return ""
    from lamina.oci.timestamp import rfc3339

    return rfc3339(seconds)

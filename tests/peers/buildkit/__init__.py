"""Small Dockerfiles that Docker and Lamina both build, by subject; see case.py for their shape."""

from __future__ import annotations

from tests.peers.buildkit import (
    adding,
    arguments,
    copying,
    edges,
    excluding,
    heredocs,
    ignoring,
    keeping,
    linking,
    metadata,
    mounting,
    placing,
    running,
    stages,
    syntax,
)
from tests.peers.buildkit.case import Case

CASES: tuple[Case, ...] = tuple(
    case
    for subject in (
        adding,
        arguments,
        copying,
        edges,
        excluding,
        heredocs,
        ignoring,
        keeping,
        linking,
        metadata,
        mounting,
        placing,
        running,
        stages,
        syntax,
    )
    for case in subject.CASES
)

"""What the caller of a build says of all its processes (--ulimit, --shm-size, --add-host), in cache keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.graph.key import Ingredient

if TYPE_CHECKING:
    from lamina.build.request import BuildRequest


def limit_parts(request: BuildRequest) -> tuple[Ingredient, ...]:
    """As BuildKit has it: limits and the names of hosts count, the hosts' addresses do not."""
    parts = [Ingredient(f"ulimit {name}", f"{soft}:{hard}") for name, soft, hard in sorted(request.ulimits)]
    if request.shm_size:
        parts.append(Ingredient("shm size", str(request.shm_size)))
    if request.add_hosts:
        parts.append(Ingredient("added hosts", " ".join(name for name, _ in request.add_hosts)))
    return tuple(parts)

"""What the caller of a build says of all its processes (--ulimit, --shm-size, --add-host), in cache keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.graph.key import Ingredient
from lamina.graph.scope import HOSTNAME

if TYPE_CHECKING:
    from lamina.build.request import BuildRequest


def limit_parts(request: BuildRequest, epoch: int | None) -> tuple[Ingredient, ...]:
    """As BuildKit has it: limits and the names of hosts count, the hosts' addresses do not.

    SOURCE_DATE_EPOCH counts: no file of a layer is later.
    """
    parts = [Ingredient(f"ulimit {name}", f"{soft}:{hard}") for name, soft, hard in sorted(request.ulimits)]
    if request.shm_size:
        parts.append(Ingredient("shm size", str(request.shm_size)))
    if request.add_hosts:
        parts.append(Ingredient("added hosts", " ".join(name for name, _ in request.add_hosts)))
    if request.build_args.get(HOSTNAME):
        parts.append(Ingredient("host name", request.build_args[HOSTNAME]))
    if epoch is not None:
        parts.append(Ingredient("SOURCE_DATE_EPOCH", str(epoch)))
    return tuple(parts)

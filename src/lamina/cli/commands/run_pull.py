"""What `lamina run` does when its image has to come from a registry first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput, NotFound
from lamina.fetch.failures import FetchFailed

if TYPE_CHECKING:
    from lamina.containers.request import NoImage, RunRequest
    from lamina.engine.engine import Engine


def pull(engine: Engine, request: RunRequest, missing: NoImage | None, *, quiet: bool) -> None:
    """Pulls the image, and tells so on standard error; `missing` is why, None where it is there too.

    NotFound with what the registry says, and other errors of a pull.
    """
    from lamina.cli.commands.pull import pull_one
    from lamina.oci import reference as references

    try:
        name = references.parse(request.image).with_default_tag()
    except InvalidInput:
        if missing is None:
            raise
        raise missing from None  # no name: an ID that nothing has
    if missing is not None and not quiet:
        print(f"Unable to find image '{name.familiar()}' locally", file=sys.stderr)
    try:
        pull_one(engine, name, sys.stderr, quiet=quiet, platform=request.platform)
    except (NotFound, Denied, FetchFailed) as error:
        if missing is None:
            raise
        raise NotFound(f"{missing.message}; {error.message}", hint=missing.hint) from None

"""What `lamina run` does when its image has to come from a registry first."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from lamina.errors import Denied, InvalidInput, NotFound
from lamina.events import ignore
from lamina.fetch.failures import FetchFailed

if TYPE_CHECKING:
    from lamina.containers.request import NoImage, RunRequest
    from lamina.engine.engine import Engine


def pull(engine: Engine, request: RunRequest, missing: NoImage | None, *, quiet: bool) -> None:
    """Pulls the image, and tells so on standard error; `missing` is why, None where it is there too.

    NotFound with what the registry says, and other errors of a pull.
    """
    from lamina.cli.progress.transfer import Transfer
    from lamina.oci import reference as references

    try:
        name = references.parse(request.image).with_default_tag()
    except InvalidInput:
        if missing is None:
            raise
        raise missing from None  # no name: an ID that nothing has
    if missing is not None:
        _say(f"Unable to find image '{name.familiar()}' locally", quiet=quiet)
    title = f"{name.digest or name.tag}: Pulling from {name.path}"
    shown = Transfer(sys.stderr, title, "Downloading", is_terminal=sys.stderr.isatty())
    try:
        done = engine.pull(request.image, ignore if quiet else shown, platform=request.platform)
    except (NotFound, Denied, FetchFailed) as error:
        if missing is None:
            raise
        raise NotFound(f"{missing.message}; {error.message}", hint=missing.hint) from None
    finally:
        shown.end()
    if not quiet:
        shown.begin()
    status = "Downloaded newer image" if done.is_new else "Image is up to date"
    _say(f"Digest: {done.digest}\nStatus: {status} for {name.familiar()}", quiet=quiet)


def _say(text: str, *, quiet: bool) -> None:
    if not quiet:
        print(text, file=sys.stderr)

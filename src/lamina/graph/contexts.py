"""The names of further contexts (--build-context), as BuildKit compares them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Set

    from lamina.oci.platform import Platform

_LATEST = ":latest"


def context_name(text: str) -> str:
    """How a name counts: as that of an image: `alpine` and `docker.io/library/alpine:latest` are one.

    `NAME::PLATFORM` is the name for one platform alone. InvalidInput for what could name no image.
    """
    from lamina.oci import reference  # most builds have no further context

    name, mark, platform = text.partition("::")
    try:
        parsed = reference.parse(name)
    except InvalidInput as error:
        raise InvalidInput(f"invalid context name {text}: {error.message}", hint=error.hint) from None
    return parsed.familiar().removesuffix(_LATEST) + mark + platform


def find_context(contexts: Set[str], name: str, platform: Platform) -> str:
    """Which of `contexts` (as `context_name` has them) a name in a Dockerfile means; "" for none."""
    if not contexts:
        return ""
    for spelling in (name, name.lower()):  # stages are called in any case, images are not
        try:
            found = context_name(spelling)
        except InvalidInput:
            continue
        for one in (f"{found}::{platform}", found):
            if one in contexts:
                return one
    return ""

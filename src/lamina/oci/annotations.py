"""Annotations as a build is given them: for manifests, indexes, and the descriptors of either; some for one
platform alone (--annotation, and annotation.* of --output).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.oci import platform as platforms

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.oci.platform import Platform

MANIFEST, MANIFEST_DESCRIPTOR = "manifest", "manifest-descriptor"
INDEX, INDEX_DESCRIPTOR = "index", "index-descriptor"
# what a manifest says of the image it was built on (image-spec annotations.md)
BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

LEVELS = (MANIFEST, MANIFEST_DESCRIPTOR, INDEX, INDEX_DESCRIPTOR)

_TYPE = re.compile(r"([a-z-]+)(?:\[([A-Za-z0-9_/-]+)\])?")
_OPTION = re.compile(r"annotation(?:-([a-z-]+))?(?:\[([A-Za-z0-9_/-]+)\])?\.(\S+)")


class Annotation(NamedTuple):
    """One annotation; `platform` None stands for all."""

    level: str  # one of LEVELS
    platform: Platform | None
    key: str
    value: str


def parse_flag(text: str) -> list[Annotation]:
    """--annotation: `KEY=VALUE`, or `TYPE[PLATFORM],TYPE:KEY=VALUE`. InvalidInput, in buildx's words."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InvalidInput(f'invalid annotation "{text}", expected key=value')
    types, colon, key = name.partition(":")
    if not colon:
        return [Annotation(MANIFEST, None, name, value)]
    if not key:
        raise InvalidInput(f'invalid annotation "{text}", expected key=value')
    found = []
    for each in types.split(","):
        match = _TYPE.fullmatch(each)
        if match is None:
            raise InvalidInput(
                f'invalid annotation type "{each}", expected type and optional platform in square brackets'
            )
        found.append(_made(match[1], match[2], key, value))
    return found


def parse_option(name: str, value: str) -> Annotation | None:
    """An option of --output: `annotation-TYPE[PLATFORM].KEY`. None when it is no annotation; InvalidInput."""
    if not name.startswith(("annotation.", "annotation-", "annotation[")):
        return None
    match = _OPTION.fullmatch(name)
    if match is None:
        raise InvalidInput(f"could not fully parse annotation {name}", hint="write annotation-TYPE.KEY=VALUE")
    return _made(match[1] or MANIFEST, match[2], match[3], value)


def pick(annotations: Iterable[Annotation], level: str, platform: Platform | None = None) -> dict[str, str]:
    """Those of a level; of a manifest those for all platforms, then those for its own."""
    of_level = [each for each in annotations if each.level == level]
    if level in (INDEX, INDEX_DESCRIPTOR):
        return {each.key: each.value for each in of_level}
    found = {each.key: each.value for each in of_level if each.platform is None}
    if platform is not None:
        found.update({a.key: a.value for a in of_level if a.platform and a.platform.runs(platform)})
    return found


def _made(level: str, platform: str | None, key: str, value: str) -> Annotation:
    if level not in LEVELS:
        raise InvalidInput(f'unknown annotation type "{level}"', hint="one of " + ", ".join(LEVELS))
    return Annotation(level, platforms.parse(platform) if platform else None, key, value)

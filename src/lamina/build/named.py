"""Further contexts: what --build-context NAME=VALUE means, and where it is once it is here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, BinaryIO

from lamina.build.elsewhere import checked_out, lay_file, own_ignore, unpacked
from lamina.build.unpacking import is_archive
from lamina.dockerfile.remotes import is_http, parse_git, redacted
from lamina.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.build.context import Context
    from lamina.build.contexts import Contexts
    from lamina.oci.platform import Platform

_IMAGE, _LAYOUT, _TARGET = "docker-image://", "oci-layout://", "target:"


def find_named(contexts: Contexts, name: str, value: str, platform: Platform) -> Context | str:
    """What --build-context means: files, or an image (for `platform`), by a name or ID that the store knows.

    NotFound, InvalidInput, and the failures of fetching and loading.
    """
    if value.startswith(_IMAGE):
        return _image_name(value.removeprefix(_IMAGE))
    if value.startswith(_TARGET):
        raise InvalidInput(
            f"build context {name}: {value} names a target of a bake file",
            hint="build it first, and give its tag: docker-image://TAG",
        )
    if value.startswith(_LAYOUT):
        return _from_layout(contexts, name, value.removeprefix(_LAYOUT), platform)
    source = None if os.path.exists(value) else parse_git(value)
    if source is not None:
        return own_ignore(checked_out(contexts, source)[0])
    if is_http(value):
        return _from_url(contexts, name, value)
    return _from_disk(contexts, name, value)


def check_paths(contexts: Mapping[str, str]) -> None:
    """NotFound for a context that is a path where nothing is, also when no instruction names it."""
    for name, value in contexts.items():
        if value.startswith((_IMAGE, _TARGET, _LAYOUT)) or is_http(value) or os.path.lexists(value):
            continue
        if parse_git(value) is None:
            raise _not_there(name, value)


def _image_name(text: str) -> str:
    if not text:
        raise InvalidInput("docker-image:// names no image", hint="docker-image://NAME[:TAG]")
    return text


def _from_layout(contexts: Contexts, name: str, place: str, platform: Platform) -> str:
    """FOLDER[:TAG][@DIGEST]: the image's ID in the store, once it is loaded."""
    from lamina.oci import digest as digests
    from lamina.transfer.layout import load_from_layout  # with all that loads images

    place, at, digest = place.partition("@")
    folder, _, tag = place.partition(":")
    contexts.enter()
    expected = digests.parse(digest) if at else None
    try:
        return load_from_layout(contexts.ctx, folder, platform, tag=tag, digest=expected)
    except NotFound as error:
        message = f"build context {name}: oci-layout could not be resolved: {error.message}"
        raise NotFound(message, hint=error.hint) from None


def _from_url(contexts: Contexts, name: str, url: str) -> Context:
    """An archive; anything else is one file with the name that its URL gives it."""
    from lamina.build.context import Context
    from lamina.dockerfile.remotes import file_name

    file = contexts.remotes.file(url)
    if is_archive(file.open):
        with file.open() as stream:
            return own_ignore(unpacked(contexts, stream, f"build context {name} ({redacted(url)})")[0])
    folder = lay_file(contexts, file, file_name(url))
    return Context(folder, None, {})


def _opened(path: str) -> BinaryIO:
    return open(path, "rb")


def _from_disk(contexts: Contexts, name: str, path: str) -> Context:
    """A folder, less what its .dockerignore leaves out; or an archive."""
    if os.path.isdir(path):
        from lamina.build.contexts import first_ignore

        return contexts.folder(path, first_ignore([os.path.join(path, ".dockerignore")]))
    if not os.path.lexists(path):
        raise _not_there(name, path)
    if not os.path.isfile(path) or not is_archive(lambda: _opened(path)):
        raise InvalidInput(f"failed to get build context {name}: {path} is no folder and no archive")
    with open(path, "rb") as stream:
        return own_ignore(unpacked(contexts, stream, f"build context {name} ({path})")[0])


def _not_there(name: str, path: str) -> NotFound:
    return NotFound(
        f"failed to get build context {name}: {path}: no such file or directory",
        hint="a folder, an archive, a URL, docker-image://NAME or oci-layout://FOLDER",
    )

"""The answer to `lamina who`."""

from __future__ import annotations

from typing import NamedTuple

VISIBLE, REPLACED, DELETED = "visible", "replaced", "deleted"


class Place(NamedTuple):
    """A layer that holds it, with where and what that is."""

    diff_id: str  # of the layer
    path: str  # absolute; of a package the file that lists it; "" where the layer itself was asked for
    what: str  # file, folder, link, hard link, device, pipe; package; layer
    size: int  # bytes
    digest: str  # SHA-256 of a file in hex, "" for what is none
    package: str  # name, "" for what is no package
    version: str
    architecture: str
    manager: str  # deb, apk, rpm, pypi or npm
    source: str  # the name of the package that it was built from, where that is another
    created_by: str  # the instruction that made the layer; "" where no stack has it
    dockerfile: str  # where that instruction stands, as records of builds know it; "" and 0 else
    line: int
    images: int  # how many have the layer


class Seen(NamedTuple):
    """It in the stack of one image or container."""

    diff_id: str  # of the layer that holds it; "" for the writable layer of a container
    number: int  # of that layer, from 1, the bottom; the writable layer of a container counts as one more
    path: str
    package: str
    version: str
    state: str  # visible, replaced (by something else, or another copy) or deleted
    by: int  # number of the layer that replaced or deleted it, 0 while it is visible


class HoldingImage(NamedTuple):
    """An image with a layer that holds it."""

    image_id: str
    names: tuple[str, ...]  # as Docker prints them; of a part of an index those of the index
    platform: str  # as in linux/amd64
    seen: tuple[Seen, ...]

    @property
    def visible(self) -> bool:
        """Whether a container of the image would find it."""
        return any(each.state == VISIBLE for each in self.seen)


class HoldingContainer(NamedTuple):
    """A container that holds it, in a layer of its image or in what it wrote."""

    id: str
    name: str
    image: str  # as the user named it
    state: str  # created, running, exited
    seen: tuple[Seen, ...]

    @property
    def visible(self) -> bool:
        """Whether the container finds it now."""
        return any(each.state == VISIBLE for each in self.seen)


class Who(NamedTuple):
    """Who holds it: places in layers, and the images and containers that have these layers."""

    query: str
    kind: str  # what it was taken for: hash, path, name or package
    places: tuple[Place, ...]
    images: tuple[HoldingImage, ...]  # by name
    containers: tuple[HoldingContainer, ...]  # by name
    unread: tuple[str, ...] = ()  # diff IDs of layers whose packages are not known: their files are not here

    @property
    def found(self) -> bool:
        """Whether anything holds it."""
        return bool(self.places or self.images or self.containers)

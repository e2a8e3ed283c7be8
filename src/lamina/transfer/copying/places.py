"""Place: what `copy` and `index` call an image, wherever it is: skopeo's transports, and the store.

docker://REFERENCE                in a registry
oci:FOLDER[:NAME]                 in an OCI image layout
oci-archive:FILE[:NAME]           in a tar of one
docker-archive:FILE[:REFERENCE]   in what `docker save` and `lamina save` write
store:NAME, or just NAME          in the store
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput, Unsupported
from lamina.oci import reference as references

if TYPE_CHECKING:
    from lamina.oci.reference import Reference

REGISTRY, LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE, STORE = (
    "docker",
    "oci",
    "oci-archive",
    "docker-archive",
    "store",
)
FILES = (LAYOUT, OCI_ARCHIVE, DOCKER_ARCHIVE)
_OTHERS = {
    "containers-storage": "push it from there with podman, to a registry or oci-archive:FILE",
    "docker-daemon": "use `docker save`, and docker-archive:FILE",
    "dir": "use oci:FOLDER",
    "ostree": "use oci:FOLDER",
    "sif": "use oci-archive:FILE",
    "tarball": "use `lamina import`",
}


class Place(NamedTuple):
    """`path` is of a folder or a file; `name` is what is in it, or a reference; "" for the only one."""

    kind: str
    path: str
    name: str

    def __str__(self) -> str:
        if self.kind == REGISTRY:
            return f"docker://{self.name}"
        return ":".join(part for part in (self.kind, self.path, self.name) if part)

    @property
    def reference(self) -> Reference:
        """Of a place in a registry, as it was written."""
        return references.parse(self.name)


def parse(text: str) -> Place:
    """Reads a place. InvalidInput; Unsupported for skopeo's other transports."""
    kind, colon, rest = text.partition(":")
    if colon and kind in _OTHERS and not rest.partition("/")[0].isdigit():
        raise Unsupported(f"{text[:200]!r}: Lamina has no transport {kind}:", hint=_OTHERS[kind])
    if kind == REGISTRY and colon:
        if not rest.startswith("//"):
            raise InvalidInput(f"{text[:200]!r}: a registry's image is written docker://HOST/NAME:TAG")
        return Place(REGISTRY, "", str(references.parse(rest[2:]).with_default_tag()))
    if kind in FILES and colon:
        return _file(kind, rest, text)
    name = rest if kind == STORE and colon else text
    if "://" in name:
        raise InvalidInput(f"{text[:200]!r} is no image", hint="docker://HOST/NAME:TAG is one of a registry")
    if name.startswith(("/", ".")):
        raise InvalidInput(f"{text[:200]!r} is no image", hint=f"a layout in a folder is oci:{name[:200]}")
    if not name:
        raise InvalidInput("the name of an image is missing")
    return Place(STORE, "", name)


def _file(kind: str, rest: str, text: str) -> Place:
    """As skopeo: a path ends at its first colon."""
    path, _, name = rest.partition(":")
    if not path:
        raise InvalidInput(f"{text[:200]!r}: the {'folder' if kind == LAYOUT else 'file'} is missing")
    if kind == DOCKER_ARCHIVE and name:
        if name.startswith("@"):
            raise Unsupported(f"{text[:200]!r}: images of an archive are found by name", hint="leave @N away")
        name = references.parse_tagged(name).familiar()
    return Place(kind, path, name)

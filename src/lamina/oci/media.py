"""Media types of manifests, configs and layers, OCI's and Docker's (image-spec media-types.md)."""

from __future__ import annotations

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
LAYER_ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"
EMPTY = "application/vnd.oci.empty.v1+json"

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
DOCKER_LAYER_GZIP = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_LAYER_ZSTD = "application/vnd.docker.image.rootfs.diff.tar.zstd"
DOCKER_FOREIGN_LAYER_GZIP = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

MANIFESTS = frozenset((MANIFEST, DOCKER_MANIFEST))
INDEXES = frozenset((INDEX, DOCKER_INDEX))
CONFIGS = frozenset((CONFIG, DOCKER_CONFIG))

_NONDISTRIBUTABLE = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_COMPRESSION = {
    LAYER: "",
    LAYER_GZIP: "gzip",
    LAYER_ZSTD: "zstd",
    DOCKER_LAYER: "",
    DOCKER_LAYER_GZIP: "gzip",
    DOCKER_LAYER_ZSTD: "zstd",
    DOCKER_FOREIGN_LAYER_GZIP: "gzip",
    _NONDISTRIBUTABLE: "",
    _NONDISTRIBUTABLE + "+gzip": "gzip",
    _NONDISTRIBUTABLE + "+zstd": "zstd",
}


_DOCKERS = {
    MANIFEST: DOCKER_MANIFEST,
    INDEX: DOCKER_INDEX,
    CONFIG: DOCKER_CONFIG,
    LAYER: DOCKER_LAYER,
    LAYER_GZIP: DOCKER_LAYER_GZIP,
}
_OCIS = {docker: oci for oci, docker in _DOCKERS.items()} | {DOCKER_LAYER_ZSTD: LAYER_ZSTD}


def converted(media_type: str, *, oci: bool) -> str:
    """The OCI's name for a type of Docker's, or the other way round; one that only one of them has stays."""
    return (_OCIS if oci else _DOCKERS).get(media_type, media_type)


def compression(media_type: str) -> str | None:
    """How a layer of this type is packed: "", "gzip" or "zstd"; None when it is no layer type we know."""
    return _COMPRESSION.get(media_type)


def is_foreign(media_type: str) -> bool:
    """Whether layers of this type are not to be given on: they are had from their URLs alone."""
    return media_type == DOCKER_FOREIGN_LAYER_GZIP or media_type.startswith(_NONDISTRIBUTABLE)

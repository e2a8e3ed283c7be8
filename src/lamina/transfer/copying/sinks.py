"""sink_at: a Place to write an image to, as a Sink (transfer.ends). The store is not one of them."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lamina.archive import oci_layout
from lamina.archive.layoutfolder import LayoutFolder
from lamina.archive.newfile import NewFile
from lamina.errors import InvalidInput, NotFound
from lamina.oci import reference as references
from lamina.registry.destination import Destination
from lamina.registry.failures import check_online
from lamina.transfer.copying.ends import ArchiveSink, FolderSink, row_notes
from lamina.transfer.copying.places import DOCKER_ARCHIVE, LAYOUT, REGISTRY
from lamina.transfer.registry_ends import RegistrySink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lamina.fetch.stopping import Stop
    from lamina.oci.config import ImageConfig
    from lamina.oci.descriptor import Descriptor
    from lamina.transfer.copying.places import Place
    from lamina.transfer.copying.sources import Setting
    from lamina.transfer.ends import Sink

    # The config and the manifest's config and layers of the image that manifest.json is to show.
    Shown = Callable[[], tuple[ImageConfig, tuple[Descriptor, ...]]]


@contextmanager
def sink_at(place: Place, setting: Setting, stop: Stop, shown: Shown) -> Iterator[Sink]:
    """Where an image goes, until the block ends; only one that ends well gives an archive its name.

    InvalidInput for what cannot be written to; what the ends raise.
    """
    if place.kind == REGISTRY:
        check_online(place.reference, setting.settings())
        with Destination(place.reference, setting.settings(), stop) as destination:
            yield RegistrySink(destination)
    elif place.kind == LAYOUT:
        yield FolderSink(LayoutFolder(place.path), row_notes(place.name), str(place))
    else:
        docker = [_docker_row(place, *shown())] if place.kind == DOCKER_ARCHIVE else None
        _check_file(place)
        with NewFile(place.path) as file:
            notes = row_notes(place.name, docker=docker is not None)
            yield ArchiveSink(file, notes, docker, str(place))
            file.commit()


def _check_file(place: Place) -> None:
    folder = os.path.dirname(os.path.abspath(place.path))
    if os.path.isdir(place.path):
        raise InvalidInput(
            f"{place}: {place.path} is a folder", hint=f"oci:{place.path} writes a layout there"
        )
    if not os.path.isdir(folder):
        raise NotFound(f"{place}: there is no folder {folder}")


def _docker_row(place: Place, config: ImageConfig, parts: tuple[Descriptor, ...]) -> dict[str, object]:
    """As Docker writes it since 25: blobs under the names that they have in the layout."""
    first, *layers = parts
    sources = {
        diff_id: {"mediaType": layer.media_type, "size": layer.size, "digest": layer.digest}
        for diff_id, layer in zip(config.diff_ids, layers, strict=True)
    }
    return {
        "Config": oci_layout.blob_name(first.digest),
        "RepoTags": [references.parse(place.name).familiar()] if place.name else None,
        "Layers": [oci_layout.blob_name(layer.digest) for layer in layers],
        "LayerSources": sources,
    }

"""import_: a root file system as an image; and --change."""

from __future__ import annotations

import gzip
import io
from typing import TYPE_CHECKING

import pytest

from lamina.db import imagedb
from lamina.errors import InvalidInput
from lamina.oci import config as configs
from lamina.oci.validate import validate
from lamina.transfer.changes import apply_changes
from lamina.transfer.image_view import image_view
from lamina.transfer.import_image import import_
from lamina.transfer.merged import image_lookup
from lamina.transfer.register import register_image
from tests.layers.stores import content, file, state, tar_of
from tests.transfer.images import make_image

if TYPE_CHECKING:
    from lamina.layers.context import Layers

TAR = tar_of(file("etc/os-release", b"ID=test"))


def test_a_tar_becomes_an_image(store: Layers) -> None:
    changes = ['CMD ["sh", "-l"]', "ENV A=1 B=two", "WORKDIR /srv", "EXPOSE 80", "LABEL x=y", "USER me"]
    row = import_(store, io.BytesIO(gzip.compress(TAR)), changes=changes, message="why", tag="imported")
    validate(image_view(store, row.image_id))
    config = configs.parse(image_view(store, row.image_id).config_bytes)
    assert config.config.cmd == ("sh", "-l")
    assert config.config.env == ("A=1", "B=two")
    assert (config.config.working_dir, config.config.user) == ("/srv", "me")
    assert (config.config.exposed_ports, config.config.labels) == (("80/tcp",), {"x": "y"})
    assert [line.comment for line in config.history] == ["why"]
    assert config.created == row.created
    assert imagedb.tags(store.db.read(), row.image_id) == ["docker.io/library/imported:latest"]
    assert content(image_lookup(store, row.image_id), b"etc/os-release") == b"ID=test"


def test_without_anything_said(store: Layers) -> None:
    row = import_(store, io.BytesIO(TAR))
    config = configs.parse(image_view(store, row.image_id).config_bytes)
    assert config.config == configs.ContainerConfig()
    assert config.history[0].comment == "Imported from -"


@pytest.mark.parametrize("change", ["RUN x", "COPY a b", "FROM x", "NONSENSE", "ENV", "", "CMD a\nCMD b"])
def test_changes_that_are_none(store: Layers, change: str) -> None:
    before = state(store)
    with pytest.raises(InvalidInput):
        import_(store, io.BytesIO(TAR), changes=[change])
    assert state(store) == before


def test_changes_expand_what_is_in_the_image() -> None:
    base = configs.ImageConfig(
        "amd64", "linux", config=configs.ContainerConfig(env=("A=1",), on_build=("RUN x",))
    )
    config = apply_changes(base, ["ENV B=$A-2", "ONBUILD RUN y", "ENTRYPOINT top"]).config
    assert config.env == ("A=1", "B=1-2")
    assert config.on_build == ("RUN x", "RUN y")
    assert config.entrypoint == ("/bin/sh", "-c", "top")


def test_bad_names_are_found_before_the_work(store: Layers) -> None:
    before = state(store)
    for tag in ("UPPER", "a@sha256:" + "0" * 64):
        with pytest.raises(InvalidInput):
            import_(store, io.BytesIO(TAR), tag=tag)
    with pytest.raises(InvalidInput):
        import_(store, io.BytesIO(b"no tar" * 1000), tag="ok")
    assert state(store) == before


def test_registering_again_moves_names_only(store: Layers) -> None:
    one, two = make_image(store, "a", label="1"), make_image(store, "b", label="2")
    config = image_view(store, two).config_bytes
    row = register_image(store, config, configs.parse(config).diff_ids, ["a", "b"])
    assert row == imagedb.get_image(store.db.read(), two)
    assert imagedb.tags(store.db.read(), one) == []
    assert len(imagedb.tags(store.db.read(), two)) == 2
    changes = store.db.read().total_changes
    register_image(store, config, configs.parse(config).diff_ids, ["a"])
    assert store.db.read().total_changes == changes  # a fully cached build writes nothing


def test_a_config_of_other_layers(store: Layers) -> None:
    image = make_image(store)
    with pytest.raises(InvalidInput):
        register_image(store, image_view(store, image).config_bytes + b" ", [])

"""rmi: Docker's rules, in Docker's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lamina.db import containerdb, imagedb, layerdb
from lamina.errors import Conflict, NotFound
from lamina.gc.images import Deleted, Untagged, remove_image

if TYPE_CHECKING:
    from tests.gc.making import Maker

    from lamina.db.imagedb import ImageRow
    from lamina.gc.context import Context


def tag(ctx: Context, name: str, image: ImageRow) -> None:
    with ctx.db.write() as tx:
        imagedb.put_tag(tx, f"docker.io/library/{name}", image.image_id)


def short(image: ImageRow) -> str:
    return image.image_id[7:19]


def test_the_last_name_takes_the_image_along(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a", "b")
    layers = imagedb.layers_of(ctx.db.read(), image.image_id)
    make.let_go()
    assert remove_image(ctx, "app") == [
        Untagged("app:latest"), Deleted(image.image_id), Deleted(layers[1]), Deleted(layers[0]),
    ]  # fmt: skip
    make.check()
    assert make.blobs() == set() and layerdb.diffs(ctx.db.read()) == []
    with pytest.raises(NotFound, match="No such image: app:latest"):
        remove_image(ctx, "app")


def test_one_of_several_names(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    tag(ctx, "other:1", image)
    assert remove_image(ctx, "other:1") == [Untagged("other:1")]
    assert imagedb.tags(ctx.db.read(), image.image_id) == ["docker.io/library/app:latest"]
    make.check()


def test_by_its_id(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    make.let_go()
    removed = remove_image(ctx, short(image))
    assert removed[:2] == [Untagged("app:latest"), Deleted(image.image_id)]
    nameless = make.image("", "b")
    assert remove_image(ctx, nameless.image_id)[0] == Deleted(nameless.image_id)


def test_an_id_with_several_names_must_be_forced(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    tag(ctx, "other:1", image)
    message = (
        rf"^conflict: unable to delete {short(image)} \(must be forced\) - image is referenced in multiple"
    )
    with pytest.raises(Conflict, match=message):
        remove_image(ctx, short(image))
    assert len(imagedb.tags(ctx.db.read(), image.image_id)) == 2
    removed = remove_image(ctx, short(image), force=True)
    assert removed[:3] == [Untagged("app:latest"), Untagged("other:1"), Deleted(image.image_id)]


def test_layers_that_others_have_stay(ctx: Context, make: Maker) -> None:
    make.image("base", "a")
    image = make.image("app", "a", "b", "c")
    layers = imagedb.layers_of(ctx.db.read(), image.image_id)
    make.step("key", make.diff("b").diff_id)
    make.let_go()
    assert remove_image(ctx, "app")[2:] == [Deleted(layers[2])]  # "a" is the base's, "b" build cache
    make.check()


@pytest.mark.parametrize("state", [containerdb.EXITED, containerdb.CREATED])
def test_an_image_of_a_container(ctx: Context, make: Maker, state: str) -> None:
    image = make.image("app", "a")
    box = make.container("box", image, state)
    make.let_go()
    message = (
        rf'^conflict: unable to remove repository reference "app" \(must force\) - '
        rf"container {box.id[:12]} is using its referenced image {short(image)}$"
    )
    with pytest.raises(Conflict, match=message):
        remove_image(ctx, "app")
    message = (
        rf"delete {short(image)} \(must be forced\) - image is being used by stopped container {box.id[:12]}"
    )
    with pytest.raises(Conflict, match=message):
        remove_image(ctx, short(image))
    tag(ctx, "other:1", image)
    assert remove_image(ctx, "other:1") == [Untagged("other:1")]
    assert remove_image(ctx, "app", force=True) == [Untagged("app:latest"), Deleted(image.image_id)]
    assert len(layerdb.diffs(ctx.db.read())) == 1  # the container still stands on it
    make.check()


def test_an_image_of_a_running_container(ctx: Context, make: Maker) -> None:
    image = make.image("app", "a")
    box = make.container("box", image, containerdb.RUNNING)
    for name in ("app", short(image)):
        message = rf"\(cannot be forced\) - image is being used by running container {box.id[:12]}"
        with pytest.raises(Conflict, match=message):
            remove_image(ctx, name, force=True)
    assert imagedb.tags(ctx.db.read(), image.image_id) == ["docker.io/library/app:latest"]  # all or nothing

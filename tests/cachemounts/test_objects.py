"""Cache mounts as objects: made whole, removed whole, found again."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.cachemounts import objects, removing
from lamina.cachemounts.listing import listing, named
from lamina.cachemounts.wanted import CacheWanted
from lamina.db import cachemounts as rows
from lamina.errors import Conflict, LaminaError, NotFound
from lamina.store.lock import let_go

if TYPE_CHECKING:
    from lamina.db.cachemounts import CacheMount
    from lamina.layers.context import Layers


def make(ctx: Layers, wanted: CacheWanted, **files: str) -> CacheMount:
    """A cache mount with these files."""
    with objects.key_lock(ctx, wanted.key):
        row = objects.make(ctx, wanted)
    for name, content in files.items():
        Path(objects.data_folder(ctx, row.name), name).write_text(content)
    return row


def on_disk(ctx: Layers) -> list[str]:
    return sorted(os.listdir(ctx.layout.cachemounts))


def test_the_folder_gets_its_mode_and_owner(ctx: Layers, many_ids: None) -> None:
    old = os.umask(0o077)
    try:
        row = make(ctx, CacheWanted("c", mode=0o2770, uid=12, gid=34))
        plain = make(ctx, CacheWanted("plain"))
    finally:
        os.umask(old)
    found = os.stat(objects.data_folder(ctx, row.name))
    assert (found.st_mode & 0o7777, found.st_uid, found.st_gid) == (0o2770, 12, 34)
    assert os.stat(objects.data_folder(ctx, plain.name)).st_mode & 0o7777 == 0o755


def test_a_seed_that_fails_leaves_nothing(ctx: Layers) -> None:
    def seed(folder: str) -> None:
        Path(folder, "half").write_text("half")
        raise NotFound("the rest")

    with pytest.raises(NotFound):
        make(ctx, CacheWanted("c", seed=seed, seed_key="s"))
    assert on_disk(ctx) == [] and rows.mounts(ctx.db.read()) == []


def test_what_makes_the_key() -> None:
    base = CacheWanted("c")
    others = [
        base._replace(id="d"),
        base._replace(mode=0o700),
        base._replace(uid=1),
        base._replace(gid=1),
        base._replace(seed_key="s"),
    ]
    assert len({one.key for one in [base, *others]}) == 6
    assert base._replace(sharing="locked", created_by="x", fresh=True).key == base.key
    assert CacheWanted("\udcff").key  # a name that is not UTF-8


def test_sizes_are_measured_when_somebody_asks(ctx: Layers) -> None:
    row = make(ctx, CacheWanted("c"), file="12345")
    assert [one.size for one in listing(ctx)] == [5]
    noted = rows.get(ctx.db.read(), row.name)
    assert noted is not None and noted.size == 5
    descriptor = objects.lock(ctx, row.name)
    assert descriptor is not None
    Path(objects.data_folder(ctx, row.name), "more").write_text("67")
    assert [(one.size, one.in_use) for one in listing(ctx)] == [(7, True)]
    let_go(descriptor)
    assert [one.in_use for one in listing(ctx)] == [False]


def test_names(ctx: Layers) -> None:
    one, two = make(ctx, CacheWanted("npm")), make(ctx, CacheWanted("npm", mode=0o700))
    c = ctx.db.read()
    assert named(c, "npm") == [one, two]
    assert named(c, one.name) == [one]
    for missing in ("pip", "", "*", "%"):
        with pytest.raises(NotFound):
            named(c, missing)
    same = [row for row in (one, two) if row.name[0] == one.name[0]]
    if len(same) == 2:
        with pytest.raises(Conflict):
            named(c, one.name[0])
    else:
        assert named(c, one.name[0]) == [one]


def test_what_is_in_use_stays(ctx: Layers) -> None:
    row, idle = make(ctx, CacheWanted("c")), make(ctx, CacheWanted("idle"), file="123")
    descriptor = objects.lock(ctx, row.name, shared=True)
    assert descriptor is not None
    with pytest.raises(Conflict, match="in use"):
        removing.remove_named(ctx, "c")
    gone = removing.prune(ctx)
    assert [mount.id for mount in gone.mounts] == [idle.id] and gone.bytes == 3
    let_go(descriptor)
    removing.remove_named(ctx, "c")
    assert on_disk(ctx) == [] and rows.mounts(ctx.db.read()) == []


def test_one_that_was_detached_goes_when_its_use_ends(ctx: Layers) -> None:
    row = make(ctx, CacheWanted("c"))
    descriptor = objects.lock(ctx, row.name)
    assert descriptor is not None
    objects.remove_or_detach(ctx, row)
    assert rows.with_key(ctx.db.read(), row.key) == [] and on_disk(ctx) == [row.name]
    assert removing.prune(ctx, detached=True).mounts == ()
    let_go(descriptor)
    objects.tidy(ctx, row.name)
    assert on_disk(ctx) == [] and rows.mounts(ctx.db.read()) == []


def test_a_removal_that_fails_leaves_it_to_others(ctx: Layers) -> None:
    row = make(ctx, CacheWanted("c"))
    with ctx.db.write() as tx:
        tx.execute("ALTER TABLE cache_mounts RENAME TO hidden")
    with pytest.raises(LaminaError):
        objects.remove(ctx, row)
    with ctx.db.write() as tx:
        tx.execute("ALTER TABLE hidden RENAME TO cache_mounts")
    assert objects.in_use(ctx, row) is False
    assert objects.remove(ctx, row) is not None


def test_a_copy_under_another_name_is_no_cache_mount(ctx: Layers) -> None:
    row = make(ctx, CacheWanted("c"))
    shutil.copytree(ctx.layout.cache_mount(row.name), ctx.layout.cache_mount(row.name) + ".bak")
    removing.settle(ctx)
    assert rows.mounts(ctx.db.read()) == [row] and len(on_disk(ctx)) == 2
    removing.settle(ctx, before=2**62)
    assert on_disk(ctx) == [row.name]


def test_rows_and_folders_are_made_to_agree(ctx: Layers) -> None:
    lost, kept = make(ctx, CacheWanted("lost")), make(ctx, CacheWanted("kept", uid=0, mode=0o700), file="x")
    with ctx.db.write() as tx:
        rows.delete(tx, kept.name)
    os.rename(ctx.layout.cache_mount(lost.name), ctx.layout.mnt + "/elsewhere")
    for name in ("f" * 16, "not-a-name"):
        os.makedirs(f"{ctx.layout.cachemounts}/{name}/data")
    removing.settle(ctx)
    assert rows.mounts(ctx.db.read()) == [kept]
    assert on_disk(ctx) == sorted([kept.name, "f" * 16, "not-a-name"])
    removing.settle(ctx, before=2**62)
    assert on_disk(ctx) == [kept.name]
    assert rows.mounts(ctx.db.read()) == [kept]


GOOD = {
    "format": 1,
    "id": "c",
    "sharing": "shared",
    "mode": 0,
    "uid": 0,
    "gid": 0,
    "seed": "",
    "created_by": "",
}
BAD: list[dict[str, object]] = [
    {"id": 1},
    {"id": ""},
    {"sharing": "all"},
    {"mode": -1},
    {"uid": True},
    {"gid": None},
    {"format": 2},
]


@pytest.mark.parametrize(
    "text",
    ["", "{", "{}", "[]", json.dumps(GOOD), *(json.dumps(GOOD | {"created": ""} | bad) for bad in BAD)],
)
def test_a_damaged_info_file_is_no_cache_mount(ctx: Layers, text: str) -> None:
    folder = Path(ctx.layout.cachemounts, "a" * 16)
    (folder / "data").mkdir(parents=True)
    (folder / "info.json").write_text(text)
    removing.settle(ctx, before=0)
    assert rows.mounts(ctx.db.read()) == [] and on_disk(ctx) == ["a" * 16]


def test_a_store_of_an_older_lamina_has_no_such_folder_yet(ctx: Layers) -> None:
    os.rmdir(ctx.layout.cachemounts)
    assert listing(ctx) == [] and removing.settle(ctx) == 0 and removing.prune(ctx).mounts == ()
    row = make(ctx, CacheWanted("c"))
    assert on_disk(ctx) == [row.name]

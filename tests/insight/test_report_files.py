"""The files of a report: right sums against an independent walk, whatever has to go without a name."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from lamina.insight.report.files import File, Files, Folder, files_of
from lamina.tree.entry import Entry, Kind
from tests.insight import oracle
from tests.insight.archiving import TRICKY, asked, random_layers
from tests.insight.rowing import many, rows_image

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from lamina.oci.digest import ImageID
    from tests.insight.archiving import Stack


def ask(ctx: Layers, image_id: ImageID, *bounds: int) -> Files:
    from lamina.insight.rows import Rows
    from lamina.insight.stack import stack

    rows = Rows(ctx.db.read(), ctx.blobs, ctx.layout)
    return files_of(rows.connection, stack(rows, image_id).diff_ids, *bounds)


def paths(files: Files) -> list[str]:
    """The path of each folder."""
    found: list[str] = []
    for folder in files.folders:
        found.append(f"{found[folder.parent]}/{folder.name}" if folder.parent >= 0 else "")
    return found


def named(files: Files) -> list[tuple[str, File]]:
    return [
        (f"{path}/{file.name}", file)
        for path, folder in zip(paths(files), files.folders, strict=True)
        for file in folder.files
    ]


def sums(files: Files) -> Counter[tuple[bool, int]]:
    """Bytes by whether they are seen, and by layer, over all that has a name or has none."""
    found: Counter[tuple[bool, int]] = Counter()
    for folder in files.folders:
        for file in folder.files:
            found[file.is_seen, file.layer] += file.size
        for rest in folder.rest:
            found[rest.is_seen, rest.layer] += rest.size
    return found


@pytest.mark.parametrize("seed", [None, *range(12)])
def test_what_is_seen_and_what_is_gone_as_an_independent_walk_has_it(
    store: Layers, tmp_path: Path, seed: int | None
) -> None:
    stack: Stack = TRICKY if seed is None else random_layers(seed)
    found = asked(store, tmp_path / "image.tar", stack)
    files = ask(store, found.image_id)
    states = found.image.states()
    expected = set()
    for path, entry in states[-1].items():
        if entry.type != "dir":
            size = 0 if entry.type != "file" or entry.is_hard_link else entry.size
            expected.add(("/" + path.decode(errors="surrogateescape"), size, _owner(found.image, path)))
    seen = [(path, file.size, file.layer) for path, file in named(files) if file.is_seen]
    assert set(seen) == expected and len(seen) == len(expected) == files.seen
    assert files.size == sum(size for _, size, _ in expected) == sum(files.layers)
    gone = {(path, file.layer, file.gone) for path, file in named(files) if file.gone}
    assert gone == _gone(found.image)


def _owner(walk: oracle.Image, path: bytes) -> int:
    """The top layer that has the path."""
    return max(number for number, layer in enumerate(walk.layers, 1) if path in layer.entries)


def _gone(walk: oracle.Image) -> set[tuple[str, int, int]]:
    """Which file of which layer went with which: by the states between the layers alone."""
    found = set()
    states = walk.states()
    for number, layer in enumerate(walk.layers, 1):
        for path, entry in layer.entries.items():
            if entry.type != "file" or entry.is_hard_link or not entry.size:
                continue
            after = next(
                (
                    above
                    for above in range(number + 1, len(states) + 1)
                    if path in walk.layers[above - 1].entries or path not in states[above - 1]
                ),
                0,
            )
            if after:
                found.add(("/" + path.decode(errors="surrogateescape"), number, after))
    return found


@pytest.mark.parametrize("bounds", [(50, 400), (10_000, 5), (30, 3), (1, 1)])
def test_sums_stay_when_names_go(store: Layers, bounds: tuple[int, int]) -> None:
    lower, upper = many(700), many(200, "g")
    image_id = rows_image(store, [lower, [*upper, Entry(b"opt/f3", Kind.WHITEOUT)]], ["RUN a", "RUN b"])
    whole, bounded = ask(store, image_id), ask(store, image_id, *bounds)
    assert len(named(bounded)) <= bounds[0] < len(named(whole)) or bounds[0] == 10_000
    assert len(bounded.folders) <= max(bounds[1], 1)
    assert sums(bounded) == sums(whole)
    assert bounded[1:] == whole[1:]
    assert sum(rest.files for folder in bounded.folders for rest in folder.rest) + len(named(bounded)) == len(
        named(whole)
    )


def test_the_biggest_keep_their_names_and_of_equals_the_first(store: Layers) -> None:
    files = [Entry(f"f{n}".encode(), Kind.FILE, size=5 if n % 2 else n) for n in range(40)]
    found = ask(store, rows_image(store, [files], ["RUN"]), 20, 10)
    sizes = sorted((file.size for _, file in named(found)), reverse=True)
    assert sizes == sorted((entry.size for entry in files), reverse=True)[:20]
    (folder,) = found.folders
    assert folder.rest[0][:3] == (1, True, 20)


def test_folders_are_in_order_however_deep(store: Layers) -> None:
    deep = b"/".join([b"d"] * 1500)
    found = ask(store, rows_image(store, [[Entry(deep + b"/file", Kind.FILE, size=1)]], ["RUN"]))
    assert len(found.folders) == 1501
    assert all(folder.parent < place for place, folder in enumerate(found.folders))
    assert found.folders[0] == Folder(-1, "", (), ())


def test_a_folder_that_many_layers_write_to_stays_small(store: Layers) -> None:
    layers = [[Entry(f"d/f{n}-{m}".encode(), Kind.FILE, size=1) for m in range(3)] for n in range(40)]
    found = ask(store, rows_image(store, layers, ["RUN"] * 40), 1, 10)
    assert sum(found.layers) == 120
    assert max(len(folder.rest) for folder in found.folders) <= 18
    assert any(rest.layer == 0 for folder in found.folders for rest in folder.rest)

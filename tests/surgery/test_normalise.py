"""normalise: what differs in nothing but its times becomes the same image."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from lamina.layers.apply import apply_layer
from lamina.oci.config import History
from lamina.surgery.normalise import normalise
from lamina.surgery.parts import Line, whole
from tests.layers.stores import file, member, rows, tar_of
from tests.surgery.stacks import MOMENT, parts_of

if TYPE_CHECKING:
    from lamina.layers.context import Layers
    from lamina.surgery.parts import Parts

SECOND = 1_000_000_000


def built(ctx: Layers, time: int, *, backwards: bool = False) -> Parts:
    """What a builder makes at some time, whose tars have some order."""
    members = [member("d", "d", mtime=time), file("d/f", mtime=time), file("old", mtime=7, uid=3)]
    tar = tar_of(*(reversed(members) if backwards else members))
    base = apply_layer(ctx, io.BytesIO(tar_of(file("base", mtime=500)))).diff_id
    parts = parts_of([base, apply_layer(ctx, io.BytesIO(tar)).diff_id])
    moment = f"2024-01-01T00:00:{time % 60:02}.123456789Z"
    lines = [parts.lines[0], Line(History(moment, "ENV")), *parts.lines[1:], Line(History(moment, "CMD"))]
    lines[2] = lines[2]._replace(history=lines[2].history._replace(created=moment))
    extra = {"container": f"{time}", "docker_version": "20.10", "variant": "v8"}
    return parts._replace(lines=tuple(lines), config=parts.config._replace(extra=extra))


def test_builds_at_different_times_become_one_image(store: Layers) -> None:
    one, two = built(store, 1_700_000_000), built(store, 1_700_000_009, backwards=True)
    assert whole(one, MOMENT) != whole(two, MOMENT)
    for latest in (0, 100, 600):
        made = normalise(store, one, 2, 2, latest)
        assert whole(made, MOMENT) == whole(normalise(store, two, 2, 2, latest), MOMENT)
        assert made.diff_ids[0] == one.diff_ids[0], "the base stays"
        assert made.lines[0] == one.lines[0]
        assert {entry.mtime for entry in rows(store, made.diff_ids[1])} == {
            min(7, latest) * SECOND,
            latest * SECOND,
        }
        assert whole(made, MOMENT).extra == {"variant": "v8"}
        assert made.lines[-1].history.created_by == "lamina normalise"


def test_again_changes_no_layer(store: Layers) -> None:
    made = normalise(store, built(store, 1_700_000_000), 1, 2, 100)
    assert normalise(store, made, 1, 2, 100).diff_ids == made.diff_ids
    assert {entry.mtime for entry in rows(store, made.diff_ids[0])} == {100 * SECOND}


def test_owners(store: Layers) -> None:
    made = normalise(store, built(store, 9), 1, 2, 100, (8, 9))
    owners = {(entry.uid, entry.gid) for diff_id in made.diff_ids for entry in rows(store, diff_id)}
    assert owners == {(8, 9)}
    assert made.lines[-1].history.created_by == "lamina normalise --owner 8:9"


def test_times_of_history(store: Layers) -> None:
    parts = built(store, 9)
    odd = [History("", "none"), History("yesterday", "odd"), History("1969-01-01T00:00:00+02:00", "old")]
    parts = parts._replace(lines=(*parts.lines, *[Line(each) for each in odd]))
    made = normalise(store, parts, 1, 2, 100)
    times = [line.history.created for line in made.lines[-4:-1]]
    assert times == ["1970-01-01T00:01:40Z", "1970-01-01T00:01:40Z", "1969-01-01T00:00:00+02:00"]

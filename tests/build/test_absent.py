"""Builds on layers that are elsewhere: fetched when a step has to be done; what is lost is done again."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from lamina.build.planning import plan
from lamina.build.planrun import NoFetcher
from lamina.build.request import BuildRequest, BuildResult
from lamina.build.verifying import compare
from lamina.db import cachedb, imagedb, layerdb
from lamina.events import StepFailed
from lamina.graph import reason as reasons
from lamina.layers.absent import Elsewhere, absent
from lamina.layers.lookup import Lookup
from lamina.layers.planned import PlannedLayers
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.digest import DiffID, sha256
from lamina.registry.settings import Settings
from lamina.tree.entry import Entry, Kind
from tests.build.kitchen import HOST, Kitchen
from tests.build.ruled import notices, rules
from tests.registry.conftest import liar, quick
from tests.registry.liar import Liar
from tests.transfer.faraway import fetching, send_away

__all__ = ["liar", "quick"]
TEXT = "FROM busybox\nRUN echo 1 > /one\nCOPY file /file\nRUN cat /one /file > /both\n"


@pytest.fixture
def far(kitchen: Kitchen, liar: Liar) -> Iterator[Kitchen]:
    """A kitchen that may fetch, with a file in its context."""
    kitchen.registries = Settings()
    kitchen.write({"file": "2\n"})
    yield kitchen


def layers(kitchen: Kitchen, result: BuildResult) -> tuple[DiffID, ...]:
    return kitchen.config(result.image_id).diff_ids


def fetched(liar: Liar) -> int:
    """How many blobs were asked for."""
    return len([path for path in liar.asked() if "/blobs/" in path])


def test_a_cached_build_fetches_nothing(far: Kitchen, liar: Liar) -> None:
    result = far.build(TEXT)
    send_away(far.ctx, liar, *layers(far, result))
    again = far.build(TEXT, tags=("app",))
    assert again.image_id == result.image_id and rules(again) == ["exact"] * 3
    assert not liar.site.asked and far.tag("docker.io/library/app:latest") == result.image_id
    assert far.build(TEXT + "LABEL new=image\n").image_id != result.image_id
    assert not liar.site.asked and len(absent(far.ctx, layers(far, result))) == 4


def test_a_step_that_is_done_has_all_that_it_stands_on(far: Kitchen, liar: Liar) -> None:
    below = layers(far, far.build(TEXT))
    send_away(far.ctx, liar, *below)
    result = far.build(TEXT + "RUN cat /both\n")
    assert far.output == "1\n2\n" and rules(result) == ["exact"] * 3 + ["ran"]
    assert fetched(liar) == 4 and absent(far.ctx, below) == []
    told = [text for text in notices(far) if text.startswith("fetching")]
    assert told == ["fetching 1 layer that is elsewhere", "fetching 3 layers that are elsewhere"]


def test_copy_from_fetches_what_it_copies(far: Kitchen, liar: Liar) -> None:
    text = "FROM busybox AS made\nRUN echo 1 > /one\nRUN echo 2 > /two\n"
    text += "FROM scratch\nCOPY --from=made /{} /\n"
    far.build(text.format("two"))
    there = far.build(text.format("two"), target="made")
    send_away(far.ctx, liar, *layers(far, there))
    assert rules(far.build(text.format("two"))) == ["exact"] * 3 and not fetched(liar)
    result = far.build(text.format("one"))
    assert far.read(result.image_id, "one") == "1\n" and fetched(liar) == 1
    base, one, two = layers(far, there)
    assert absent(far.ctx, [base, one, two]) == [base, two]
    send_away(far.ctx, liar, one)
    result = far.build(text.format("*o*"))
    assert {"one", "two"} <= far.listing(result.image_id).keys()
    told = [text for text in notices(far) if text.startswith("fetching")]
    assert told == ["fetching 2 layers that are elsewhere"], "both at once, and the base never"
    assert absent(far.ctx, [base, one, two]) == [base]


def test_a_mount_of_an_image(far: Kitchen, liar: Liar) -> None:
    far.build("FROM busybox\nRUN echo shown > /it\n", tags=("tool",))
    (image,) = [far.tag("docker.io/library/tool:latest")]
    assert image is not None
    send_away(far.ctx, liar, far.config(image).diff_ids[1])
    far.build("FROM busybox\nRUN --mount=from=tool,target=/t cat /t/it\n")
    assert far.output == "shown\n" and fetched(liar) == 1


def test_two_stages_at_once_fetch_their_base_once(far: Kitchen, liar: Liar) -> None:
    base = far.build("FROM busybox\nRUN echo 1 > /one\n", tags=("base",))
    send_away(far.ctx, liar, *layers(far, base))
    stage = "FROM base AS s{0}\nRUN cat /one > /s{0}\n"
    copies = "FROM scratch\nCOPY --from=s1 /s1 /\nCOPY --from=s2 /s2 /\n"
    result = far.build(stage.format(1) + stage.format(2) + copies)
    assert far.read(result.image_id, "s2") == "1\n" and fetched(liar) == 2


# --- what cannot be had


def test_a_layer_that_is_gone_is_made_again(far: Kitchen, liar: Liar) -> None:
    _, one, *above = layers(far, far.build(TEXT))
    form, *_ = send_away(far.ctx, liar, one, *above)
    del liar.site.pages[f"/v2/cache/blobs/{form.descriptor.digest}"]
    result = far.build(TEXT + "RUN cat /both\n")
    assert far.output == "1\n2\n" and rules(result)[0] == "ran"
    (warning,) = [text for text in notices(far) if "[Warning]" in text]
    assert one in warning and f"{liar.host}/cache" in warning and "goes on without" in warning
    assert not [event for event in far.events if isinstance(event, StepFailed)]
    assert absent(far.ctx, layers(far, result)) == []
    assert rules(far.build(TEXT)) == ["exact"] * 3


def test_a_registry_that_is_down_does_not_stop_a_build(far: Kitchen, liar: Liar) -> None:
    _, *made = layers(far, far.build(TEXT))
    send_away(far.ctx, liar, *made)
    far.registries = Settings(offline=True)
    rows = {step.key for step in cachedb.steps(far.db.read())}
    result = far.build(TEXT + "RUN cat /both\n")
    assert far.output == "1\n2\n" and rules(result) == ["ran"] * 4
    assert rows < {step.key for step in cachedb.steps(far.db.read())}
    query = "SELECT reason FROM build_steps WHERE step = 2 ORDER BY build DESC"
    reason = reasons.parse(far.db.read().execute(query).fetchone()[0])
    assert reason is not None and reason.code == reasons.GONE and "could not be fetched" in reason.doubt


def test_a_base_that_is_gone_is_an_error(far: Kitchen, liar: Liar) -> None:
    base, *_ = layers(far, far.build(TEXT))
    send_away(far.ctx, liar, base)
    liar.site.pages.clear()
    with pytest.raises(Elsewhere, match=base):
        far.build(TEXT + "RUN cat /both\n")
    far.registries = None
    with pytest.raises(Elsewhere, match="nothing is fetched here"):
        far.build(TEXT + "RUN cat /both\n")


def test_a_name_that_only_an_absent_layer_tells(far: Kitchen, liar: Liar) -> None:
    text = "FROM busybox\nCOPY --chown=worker file /file\n"
    base, _ = layers(far, far.build(text))
    send_away(far.ctx, liar, base)
    ctx = PlannedLayers.of(far.layout, NoFetcher)
    request = BuildRequest(context=str(far.context), dockerfile=text.encode())
    planned = plan(ctx, request, HOST)
    ctx.db.close()
    step = planned.steps[-1]
    assert step.reason is not None and step.reason.code == reasons.UNKNOWN_YET
    assert "a plan fetches nothing" in step.reason.doubt and not liar.site.asked
    assert rules(far.build(text)) == ["exact"] and fetched(liar) == 1
    send_away(far.ctx, liar, base)
    liar.site.pages.clear()
    with pytest.raises(Elsewhere, match=base):  # and not: there is no such user
        far.build(text)


def test_small_files_that_were_kept_are_read_without_their_layer(far: Kitchen, liar: Liar) -> None:
    text = "FROM busybox\nCOPY --chown=worker file /file\nUSER worker\nRUN echo 1 > /tmp/one\n"
    base, *_ = layers(far, far.build(text))
    with Lookup(far.ctx, [base]).open(b"etc/passwd") as file:
        passwd = file.read()
    send_away(far.ctx, liar, base)
    far.ctx.blobs.put(passwd)
    assert rules(far.build(text)) == ["exact"] * 2 and not fetched(liar)
    with open(far.ctx.blobs.path(sha256(passwd)), "r+b") as file:  # it rots
        file.write(b"nobody")
    assert rules(far.build(text)) == ["exact"] * 2 and fetched(liar) == 1


def test_rows_that_are_wrong_do_not_count(far: Kitchen, liar: Liar) -> None:
    image_id = far.build(TEXT).image_id
    before = imagedb.need_image(far.db.read(), image_id)
    _, one, *_ = far.config(image_id).diff_ids
    send_away(far.ctx, liar, one)
    with far.db.write() as tx:
        tx.execute("UPDATE diffs SET content_id = ?, size = 99 WHERE diff_id = ?", ("f" * 64, one))
        tx.execute("UPDATE images SET size = size + 97")
        tx.execute("UPDATE files SET uid = 5 WHERE name = ?", (b"one",))
    result = far.build(TEXT + "RUN stat -c %u /one\n")
    assert far.output == "0\n"
    assert any(one in text and "not what was said of it" in text for text in notices(far))
    assert layerdb.need_diff(far.db.read(), one).content_id != "f" * 64
    assert imagedb.need_image(far.db.read(), image_id) == before
    assert absent(far.ctx, layers(far, result)) == []


def test_squash(far: Kitchen, liar: Liar) -> None:
    base, one, *_ = layers(far, far.build(TEXT))
    send_away(far.ctx, liar, base, one)
    squashed = far.build(TEXT, squash=True)
    assert far.read(squashed.image_id, "one") == "1\n"
    assert fetched(liar) == 1 and absent(far.ctx, [base, one]) == [base]


def test_a_layer_to_be_compared_with(far: Kitchen, liar: Liar) -> None:
    """--cache-rule verify looks into files only where they may differ in known noise."""
    old, new = (
        write_layer(far.ctx, [LayerItem(Entry(path, Kind.FILE, size=len(data)), data)]).diff_id
        for path, data in ((b"etc/shadow", b"root:*:1:0:::\n"), (b"etc/shadow", b"root:*:2:0:::\n"))
    )
    send_away(far.ctx, liar, old)
    assert [each.reason for each in compare(far.ctx, old, new)] == [""], "nothing can be fetched here"
    (found,) = compare(fetching(far.ctx), old, new)
    assert found.reason == "the day a password was set" and fetched(liar) == 1


def test_a_build_that_is_stopped_while_it_fetches(far: Kitchen, liar: Liar) -> None:
    base, *_ = layers(far, far.build(TEXT))
    send_away(far.ctx, liar, base)

    def interrupt(_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    liar.site.pages = dict.fromkeys(liar.site.pages, interrupt)
    with pytest.raises(KeyboardInterrupt):
        far.build(TEXT + "RUN cat /both\n")
    assert not [path for path, _ in far.layout.temps() if "/diff/" in path]
    assert absent(far.ctx, [base]) == [base]

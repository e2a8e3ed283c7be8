"""RUN --mount=type=cache: folders that outlive a build, lent as BuildKit lends them."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.cachemounts import CacheMounts, CacheWanted
from lamina.build.cancel import Cancel
from lamina.build.errors import BuildFailed
from lamina.cachemounts.listing import listing
from lamina.db import cachemounts as rows
from lamina.errors import Cancelled, LaminaError, NotFound
from lamina.gc.context import Context
from lamina.gc.recover import recover
from lamina.gc.sweep import sweep
from tests.store.processes import SOURCE, end, kill, line_of, spawn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kitchen import Kitchen

SHARED, PRIVATE = CacheWanted("c"), CacheWanted("c", "private")
LOCKED = CacheWanted("c", "locked")

# A process of its own that borrows, says where, and ends when a line comes.
BORROWER = """
import sys
from lamina.build.cachemounts import CacheMounts, CacheWanted
from lamina.build.cancel import Cancel
from lamina.db.connect import Database
from lamina.layers.context import Layers
from lamina.store.blobs import BlobStore
from lamina.store.layout import Layout
from lamina.store.lease import Lease

layout = Layout(sys.argv[1])
lease = Lease.acquire(layout)
ctx = Layers(layout, BlobStore(layout, lease), Database.open(layout.database), lease)

def seed(folder):
    open(folder + "/half", "w").close()
    print("seeding", flush=True)
    sys.stdin.readline()

wanted = CacheWanted("c", sys.argv[2], seed=seed if len(sys.argv) > 3 else None)
with CacheMounts(ctx).borrow(wanted, Cancel()) as folder:
    print(folder, flush=True)
    sys.stdin.readline()
lease.release()
"""


@pytest.fixture
def mounts(kitchen: Kitchen) -> CacheMounts:
    return CacheMounts(kitchen.ctx)


@pytest.fixture
def borrowers(kitchen: Kitchen) -> Iterator[Borrowers]:
    made = Borrowers(kitchen.layout.root)
    yield made
    made.close()


class Borrowers:
    """Other processes that use the store."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._all = []  # type: ignore[var-annotated]

    def start(self, sharing: str, *more: str):  # type: ignore[no-untyped-def]
        assert SOURCE
        process = spawn(BORROWER, self._root, sharing, *more)
        self._all.append(process)
        return process

    def close(self) -> None:
        for process in self._all:
            if process.poll() is None:
                kill(process)


def objects(kitchen: Kitchen) -> list[str]:
    return sorted(os.listdir(kitchen.layout.cachemounts))


def test_what_is_written_is_there_the_next_time(kitchen: Kitchen, mounts: CacheMounts) -> None:
    for sharing in ("shared", "private", "locked", "shared"):
        wanted = CacheWanted("c", sharing, created_by="RUN make")
        with mounts.borrow(wanted, Cancel()) as folder, open(folder + "/log", "a") as log:
            log.write(sharing[0])
    (one,) = listing(kitchen.ctx)
    assert Path(one.folder, "log").read_text() == "spls"
    assert (one.id, one.uses, one.sharing, one.size, one.in_use) == ("c", 4, "shared", 4, False)
    assert (one.created_by, one.mode, one.uid, one.gid) == ("RUN make", 0o755, 0, 0)
    assert one.created < one.last_used


def test_shared_users_have_one_folder(kitchen: Kitchen, mounts: CacheMounts) -> None:
    with (
        mounts.borrow(SHARED, Cancel()) as one,
        mounts.borrow(SHARED, Cancel()) as two,
        CacheMounts(kitchen.ctx).borrow(SHARED, Cancel()) as three,
    ):
        assert one == two == three
        assert listing(kitchen.ctx)[0].in_use


def test_a_second_private_user_has_a_folder_of_its_own(kitchen: Kitchen, mounts: CacheMounts) -> None:
    with mounts.borrow(PRIVATE, Cancel()) as first:
        with mounts.borrow(PRIVATE, Cancel()) as second:
            assert first != second and os.listdir(second) == []
        with mounts.borrow(PRIVATE, Cancel()) as third:
            assert third == second
    with mounts.borrow(PRIVATE, Cancel()) as again:
        assert again == first
    assert len(objects(kitchen)) == 2


def test_shared_users_keep_off_exclusive_ones_and_the_other_way_round(mounts: CacheMounts) -> None:
    with (
        mounts.borrow(LOCKED, Cancel()) as locked,
        mounts.borrow(SHARED, Cancel()) as shared,
        mounts.borrow(SHARED, Cancel()) as joined,
        mounts.borrow(PRIVATE, Cancel()) as private,
    ):
        assert shared == joined != locked
        assert private not in (locked, shared)
    with mounts.borrow(PRIVATE, Cancel()) as first, mounts.borrow(SHARED, Cancel()) as shared:
        assert first == locked and shared != first


def test_a_shared_user_joins_others_before_it_takes_a_free_folder(mounts: CacheMounts) -> None:
    with ExitStack() as stack:
        with mounts.borrow(PRIVATE, Cancel()) as first:
            second = stack.enter_context(mounts.borrow(SHARED, Cancel()))
        with mounts.borrow(SHARED, Cancel()) as third:
            assert third == second != first


def test_a_locked_folder_is_waited_for(kitchen: Kitchen, mounts: CacheMounts) -> None:
    order: list[str] = []

    def use() -> None:
        with mounts.borrow(LOCKED, Cancel()):
            order.append("second")
        kitchen.db.close()

    with mounts.borrow(LOCKED, Cancel()):
        thread = threading.Thread(target=use)
        thread.start()
        time.sleep(0.3)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"] and len(objects(kitchen)) == 1


def test_waiting_ends_with_the_build(kitchen: Kitchen, mounts: CacheMounts) -> None:
    cancel = Cancel()
    with mounts.borrow(LOCKED, Cancel()):
        threading.Timer(0.2, cancel.set).start()
        with pytest.raises(Cancelled), mounts.borrow(LOCKED, cancel):
            raise AssertionError
    assert len(objects(kitchen)) == 1


def test_ctrl_c_ends_the_waiting(mounts: CacheMounts) -> None:
    with mounts.borrow(LOCKED, Cancel()):
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt), mounts.borrow(LOCKED, Cancel()):
            raise AssertionError


def test_mounts_of_one_run_with_one_key_share_a_folder(kitchen: Kitchen, mounts: CacheMounts) -> None:
    wanted = [LOCKED, CacheWanted("b", "private"), LOCKED]
    with mounts.borrow_all(wanted, Cancel()) as (one, other, two):
        assert one == two != other
    with mounts.borrow_all([], Cancel()) as nothing:
        assert nothing == ()
    assert len(objects(kitchen)) == 2


def test_two_runs_that_lock_the_same_two_never_wait_for_each_other(
    kitchen: Kitchen, mounts: CacheMounts
) -> None:
    one, two = CacheWanted("one", "locked"), CacheWanted("two", "locked")
    done = []

    def run(wanted: list[CacheWanted]) -> None:
        for _ in range(10):
            with mounts.borrow_all(wanted, Cancel()):
                pass
        done.append(1)
        kitchen.db.close()

    threads = [threading.Thread(target=run, args=(w,), daemon=True) for w in ([one, two], [two, one])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(done) == 2


def test_another_mode_owner_or_seed_is_another_folder(kitchen: Kitchen, mounts: CacheMounts) -> None:
    def seed(folder: str) -> None:
        Path(folder, "from").write_text("image")

    folders = set()
    for wanted in (SHARED, SHARED._replace(mode=0o700), SHARED._replace(seed=seed, seed_key="image")):
        for _ in range(2):
            with mounts.borrow(wanted, Cancel()) as folder:
                folders.add(folder)
    assert len(folders) == 3
    assert sorted(os.listdir(folder)) == ["from"]


def test_a_seed_that_fails_leaves_no_folder(kitchen: Kitchen, mounts: CacheMounts) -> None:
    def seed(folder: str) -> None:
        Path(folder, "half").write_text("half")
        raise NotFound("the other half")

    wanted = SHARED._replace(seed=seed, seed_key="k")
    with pytest.raises(NotFound), mounts.borrow(wanted, Cancel()):
        raise AssertionError
    assert objects(kitchen) == [] and rows.mounts(kitchen.db.read()) == []
    with mounts.borrow(wanted._replace(seed=None), Cancel()) as folder:
        assert os.listdir(folder) == []


def test_fresh_lets_go_of_what_earlier_builds_left(kitchen: Kitchen) -> None:
    def seed(folder: str) -> None:
        Path(folder, "seeded").write_text("")

    seeded = SHARED._replace(seed=seed, seed_key="image")
    for wanted in (SHARED, seeded, CacheWanted("other")):
        with CacheMounts(kitchen.ctx).borrow(wanted, Cancel()) as folder:
            Path(folder, "old").write_text("")
    mounts = CacheMounts(kitchen.ctx)
    fresh = SHARED._replace(fresh=True)
    with mounts.borrow(fresh, Cancel()) as folder:
        assert os.listdir(folder) == []
        Path(folder, "new").write_text("")
    with mounts.borrow(fresh, Cancel()) as folder:  # a later RUN of the same build
        assert os.listdir(folder) == ["new"]
    with mounts.borrow(seeded._replace(fresh=True), Cancel()) as folder:
        assert os.listdir(folder) == ["seeded"]
    with mounts.borrow(CacheWanted("other"), Cancel()) as folder:
        assert os.listdir(folder) == ["old"]
    assert len(objects(kitchen)) == 3


def test_fresh_does_not_disturb_who_uses_the_old_one(kitchen: Kitchen, mounts: CacheMounts) -> None:
    fresh = SHARED._replace(fresh=True)
    with mounts.borrow(SHARED, Cancel()) as old, CacheMounts(kitchen.ctx).borrow(fresh, Cancel()) as new:
        assert new != old and os.path.isdir(old)
    assert objects(kitchen) == [new.split("/")[-2]]


def test_a_row_without_a_folder_is_dropped(kitchen: Kitchen, mounts: CacheMounts) -> None:
    with mounts.borrow(SHARED, Cancel()) as folder:
        pass
    os.rename(os.path.dirname(folder), str(kitchen.folder / "elsewhere"))
    with mounts.borrow(SHARED, Cancel()) as new:
        assert new != folder
    assert len(rows.mounts(kitchen.db.read())) == 1


# --- with other processes


def test_two_processes_share_a_folder(kitchen: Kitchen, mounts: CacheMounts, borrowers: Borrowers) -> None:
    process = borrowers.start("shared")
    theirs = line_of(process)
    with mounts.borrow(SHARED, Cancel()) as ours:
        assert ours == theirs
        with mounts.borrow(PRIVATE, Cancel()) as private:
            assert private != theirs
        assert sweep(Context(*kitchen.ctx), cache=True, all_images=False).mounts == ("c",)  # the private one
    process.communicate(b"\n")
    assert end(process) == 0 and os.path.isdir(theirs)
    assert sweep(Context(*kitchen.ctx), cache=True, all_images=False).mounts == ("c",)
    assert objects(kitchen) == []


def test_kill_during_a_use_leaves_no_lock(
    kitchen: Kitchen, mounts: CacheMounts, borrowers: Borrowers
) -> None:
    process = borrowers.start("locked")
    theirs = line_of(process)
    threading.Timer(0.3, process.kill).start()
    start = time.monotonic()
    with mounts.borrow(LOCKED, Cancel()) as ours:
        assert ours == theirs and time.monotonic() - start > 0.2
    end(process)
    recover(kitchen.layout, kitchen.db)
    assert objects(kitchen) == [theirs.split("/")[-2]]


def test_kill_during_a_seed_leaves_no_folder(
    kitchen: Kitchen, mounts: CacheMounts, borrowers: Borrowers
) -> None:
    process = borrowers.start("shared", "seeded")
    assert line_of(process) == "seeding"
    assert [name[:5] for name in objects(kitchen)] == [".tmp-"]
    kill(process)
    with mounts.borrow(SHARED, Cancel()) as ours:
        assert os.listdir(ours) == []
    recover(kitchen.layout, kitchen.db)
    assert objects(kitchen) == [ours.split("/")[-2]]


def test_waiting_for_a_seed_of_another_process_ends_with_the_build(
    mounts: CacheMounts, borrowers: Borrowers
) -> None:
    process = borrowers.start("shared", "seeded")
    assert line_of(process) == "seeding"
    cancel = Cancel()
    threading.Timer(0.2, cancel.set).start()
    with pytest.raises(Cancelled), mounts.borrow(SHARED, cancel):
        raise AssertionError


# --- in a Dockerfile


def test_a_cache_outlives_the_build_and_is_not_in_the_image(kitchen: Kitchen) -> None:
    step = (
        "FROM busybox\nWORKDIR /var/cache/x\n"
        "RUN --mount=type=cache,target=/var/cache/x echo {0} >> log; cat log > /seen\n"
    )
    kitchen.build(step.format("one"))
    result = kitchen.build(step.format("two"))
    assert kitchen.read(result.image_id, "seen") == "one\ntwo\n"
    assert not [path for path in kitchen.listing(result.image_id) if "log" in path]
    (one,) = listing(kitchen.ctx)
    assert (one.id, one.uses, one.in_use) == ("/var/cache/x", 2, False)
    assert one.created_by.startswith("RUN --mount=type=cache,target=/var/cache/x echo one")


def test_id_joins_mounts_with_other_targets(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nARG NAME=pip\n"
        "RUN --mount=type=cache,id=pip,target=/a echo here > /a/file\n"
        "WORKDIR /work\n"
        "RUN --mount=type=cache,id=$NAME,target=b --mount=type=cache,target=/a"
        " cat /work/b/file > /seen; ls /a >> /seen\n"
    )
    assert kitchen.read(result.image_id, "seen") == "here\n"
    assert sorted(one.id for one in listing(kitchen.ctx)) == ["/a", "pip"]


def test_contents_id_and_sharing_do_not_count_in_the_key(kitchen: Kitchen) -> None:
    step = "FROM busybox\nRUN --mount=type=cache,target=/c{} date > /c/when; echo > /done\n"
    kitchen.build(step.format(""))
    assert kitchen.build(step.format(",id=other,sharing=locked")).cached
    assert not kitchen.build(step.format(",mode=0700")).cached


@pytest.mark.parametrize("word", ["ro", "readonly", "readonly=true"])
def test_readonly(kitchen: Kitchen, word: str) -> None:
    kitchen.build("FROM busybox\nRUN --mount=type=cache,id=c,target=/c echo 1 > /c/file\n")
    result = kitchen.build(
        f"FROM busybox\nRUN --mount=type=cache,id=c,target=/c,{word} ! touch /c/new && cat /c/file > /seen\n"
    )
    assert kitchen.read(result.image_id, "seen") == "1\n"


def test_mode_uid_and_gid_are_those_of_a_new_folder(kitchen: Kitchen, many_ids: None) -> None:
    result = kitchen.build(
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,mode=0750,uid=12,gid=34"
        " stat -c '%a %u %g' /c > /seen; chmod 700 /c\n"
        "RUN --mount=type=cache,target=/c,mode=0750,uid=12,gid=34 stat -c '%a %u %g' /c >> /seen; echo\n"
        "RUN --mount=type=cache,target=/c stat -c '%a %u %g' /c >> /seen\n"
    )
    assert kitchen.read(result.image_id, "seen") == "750 12 34\n700 12 34\n755 0 0\n"


def test_a_mode_with_one_id(kitchen: Kitchen) -> None:
    """Where an owner does not exist in here, the folder is ours; that is no error."""
    result = kitchen.build(
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,mode=0711,uid=1234 stat -c %a /c > /seen; touch /c/file\n"
    )
    assert kitchen.read(result.image_id, "seen") == "711\n"


def test_from_a_stage_with_a_source(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS seeds\nRUN mkdir -p /in/deep && echo {0} > /in/deep/seed && touch /in/other\n"
        "FROM busybox\nRUN --mount=type=cache,id=c,target=/c,from=seeds,source=/in/deep"
        " ls /c > /seen; cat /c/seed >> /seen; echo changed > /c/seed; touch /c/more\n"
    )
    result = kitchen.build(text.format("first"))
    assert kitchen.read(result.image_id, "seen") == "seed\nfirst\n"
    result = kitchen.build(
        text.format("first")
        + "RUN --mount=type=cache,id=c,target=/c,from=seeds,source=/in/deep cat /c/* > /again\n"
    )
    assert kitchen.read(result.image_id, "again") == "changed\n"
    result = kitchen.build(text.format("second"))  # another beginning is another folder
    assert kitchen.read(result.image_id, "seen") == "seed\nsecond\n"
    assert [one.id for one in listing(kitchen.ctx)] == ["c", "c"]


def test_from_an_image(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nRUN --mount=type=cache,target=/c,from=busybox cat /c/etc/group > /seen\n"
    )
    assert "workers" in kitchen.read(result.image_id, "seen")


def test_a_source_without_from_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="/x"):
        kitchen.build("FROM busybox\nRUN --mount=type=cache,target=/c,source=/x true\n")
    assert objects(kitchen) == []


def test_a_mode_over_the_content_of_an_image(kitchen: Kitchen) -> None:
    """BuildKit shows an empty folder here."""
    result = kitchen.build(
        "FROM busybox\n"
        "RUN --mount=type=cache,target=/c,from=busybox,source=/etc,mode=0711"
        " stat -c %a /c > /seen; ls /c >> /seen\n"
    )
    assert kitchen.read(result.image_id, "seen") == "711\ngroup\npasswd\n"


def test_from_what_is_not_there(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="nothing"):
        kitchen.build("FROM busybox\nRUN --mount=type=cache,target=/c,from=busybox,source=/nothing true\n")
    assert objects(kitchen) == []


SIDE_BY_SIDE = """
FROM busybox AS one
RUN --mount=type=cache,id=c,target=/c,sharing={0} \\
    echo + >> /c/log; touch /c/one; sleep 0.5; ls /c > /seen; echo - >> /c/log
FROM busybox AS two
RUN --mount=type=cache,id=c,target=/c,sharing={0} \\
    echo + >> /c/log; touch /c/two; sleep 0.5; ls /c > /seen; echo - >> /c/log
FROM busybox
COPY --from=one /seen /one
COPY --from=two /seen /two
"""


@pytest.mark.parametrize(
    ("sharing", "logs"), [("locked", ["+-+-"]), ("private", ["+-", "+-"]), ("shared", ["++--"])]
)
def test_sharing(kitchen: Kitchen, sharing: str, logs: list[str]) -> None:
    result = kitchen.build(SIDE_BY_SIDE.format(sharing))
    found = [Path(one.folder, "log").read_text().replace("\n", "") for one in listing(kitchen.ctx)]
    assert found == logs
    seen = {name: kitchen.read(result.image_id, name).split() for name in ("one", "two")}
    if sharing == "private":
        assert seen == {"one": ["log", "one"], "two": ["log", "two"]}
    elif sharing == "shared":
        assert seen == {"one": ["log", "one", "two"], "two": ["log", "one", "two"]}


def test_one_folder_at_two_targets_of_one_run(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nRUN --mount=type=cache,id=c,target=/a,sharing=locked"
        " --mount=type=cache,id=c,target=/b,sharing=locked"
        " touch /a/file && ls /b > /seen\n"
    )
    assert kitchen.read(result.image_id, "seen") == "file\n"


def test_a_run_that_fails_keeps_what_it_wrote(kitchen: Kitchen) -> None:
    with pytest.raises(BuildFailed):
        kitchen.build("FROM busybox\nRUN --mount=type=cache,target=/c touch /c/fetched; false\n")
    (one,) = listing(kitchen.ctx)
    assert os.listdir(one.folder) == ["fetched"] and not one.in_use


def test_no_cache_begins_with_empty_folders(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS base\n"
        "RUN --mount=type=cache,id=c,target=/c touch /c/base; ls /c > /one\n"
        "FROM base\nRUN --mount=type=cache,id=c,target=/c touch /c/{0}; ls /c > /two\n"
    )
    kitchen.build(text.format("first"))
    result = kitchen.build(text.format("second"))
    assert kitchen.read(result.image_id, "two") == "base\nfirst\nsecond\n"
    result = kitchen.build(text.format("third"), no_cache=True)
    assert kitchen.read(result.image_id, "one") == "base\n"
    assert kitchen.read(result.image_id, "two") == "base\nthird\n"
    assert len(objects(kitchen)) == 1


def test_no_cache_filter_empties_those_of_its_stages(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS one\nRUN --mount=type=cache,id=one,target=/c touch /c/{0}; ls /c > /one\n"
        "FROM one AS two\nRUN --mount=type=cache,id=two,target=/c touch /c/{0}; ls /c > /two\n"
    )
    kitchen.build(text.format("first"))
    result = kitchen.build(text.format("second"), no_cache_filter=("two",))
    assert kitchen.read(result.image_id, "one") == "first\nsecond\n"
    assert kitchen.read(result.image_id, "two") == "second\n"


def test_a_name_space_keeps_ids_apart(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=cache,id=c,target=/c touch /c/{0}; ls /c > /seen\n"
    kitchen.build(text.format("one"))
    result = kitchen.build(text.format("two"), build_args={"BUILDKIT_CACHE_MOUNT_NS": "mine"})
    assert kitchen.read(result.image_id, "seen") == "two\n"
    assert len(objects(kitchen)) == 2

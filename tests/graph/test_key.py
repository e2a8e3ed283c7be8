"""Cache keys: what counts and what does not, and what a difference says."""

from __future__ import annotations

import pytest

from lamina.graph.ingredients import Picked, copy_from_key, copy_key, run_key, workdir_key
from lamina.graph.key import Ingredient, cache_key
from lamina.graph.ops import CopyOp, RunOp, WorkdirOp
from lamina.tree.entry import Entry, Kind

from .builder import HOST, op_of

FILE = Entry(b"a", Kind.FILE, 0o644, size=1, mtime=5, digest="aa")
COPY = CopyOp("COPY", ("src",), (), "/dest/", "", "")


def run(*instructions: str, **build_args: str) -> str:
    op = op_of(*instructions, **build_args)
    assert isinstance(op, RunOp)
    return run_key(op, "parent", HOST).digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["RUN x"], ["RUN y"]),
        (["RUN x"], ["ENV A=1", "RUN x"]),
        (["ENV A=1", "RUN x"], ["ENV A=2", "RUN x"]),
        (["ENV A=1", "RUN x"], ["ARG A=1", "RUN x"]),
        (["RUN x"], ["ARG A=1", "RUN x"]),
        (["RUN x"], ["USER 1", "RUN x"]),
        (["RUN x"], ["WORKDIR /w", "RUN x"]),
        (["RUN x"], ['SHELL ["/bin/sh", "-c", "-x"]', "RUN x"]),
        (["RUN x"], ['RUN ["/bin/sh", "-c", "x"]']),
        (["RUN x"], ["RUN --network=none x"]),
        (["RUN <<A\n#!/x\n1\nA"], ["RUN <<A\n#!/x\n2\nA"]),
        (['RUN ["a", "b"]'], ['RUN ["a b"]']),
    ],
)
def test_what_counts_for_run(one: list[str], other: list[str]) -> None:
    assert run(*one) != run(*other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["RUN x"], ["LABEL a=b", "RUN x"]),
        (["RUN x"], ["EXPOSE 80", 'CMD ["a"]', "RUN x"]),
        (["ENV A=1 B=2", "RUN x"], ["ENV B=2", "ENV A=1", "RUN x"]),
        (["RUN x"], ["RUN   x"]),
        (["RUN x"], ["run x"]),
        (["RUN x"], ["RUN --network=default x"]),
        (["RUN x"], ["ARG A", "RUN x"]),
    ],
)
def test_what_does_not_count_for_run(one: list[str], other: list[str]) -> None:
    assert run(*one) == run(*other)


def test_proxies_do_not_count_for_run() -> None:
    assert run("RUN x") == run("RUN x", HTTP_PROXY="p", no_proxy="q")


def key(
    entry: Entry = FILE, op: CopyOp = COPY, owner: tuple[int, int] | None = None, name: bytes = b"src"
) -> str:
    picked = Picked(name, b"src", [Entry(b"", Kind.DIR, 0o755), entry])
    return copy_key(op, "parent", owner, None, [[picked]]).digest


@pytest.mark.parametrize(
    "change",
    [
        {"path": b"b"},
        {"mode": 0o755},
        {"uid": 1},
        {"gid": 1},
        {"digest": "bb"},
        {"kind": Kind.SYMLINK, "link": b"x"},
        {"xattrs": ((b"user.a", b"1"),)},
        {"kind": Kind.FIFO},
    ],
)
def test_what_counts_for_a_copied_file(change: dict[str, object]) -> None:
    assert key() != key(FILE._replace(**change))  # type: ignore[arg-type]


@pytest.mark.parametrize("change", [{"mtime": 9}, {"kind": Kind.HARDLINK, "link": b"first"}])
def test_what_does_not_count_for_a_copied_file(change: dict[str, object]) -> None:
    assert key() == key(FILE._replace(**change))  # type: ignore[arg-type]


def test_what_counts_for_copy() -> None:
    assert key() != key(op=COPY._replace(dest="/dest"))
    assert key() != key(op=COPY._replace(name="ADD"))
    assert key() != key(op=COPY._replace(chmod="755"))
    assert key() != key(owner=(1, 1))
    assert key() == key(name=b"other"), "the name of a folder whose contents are copied"
    assert key() == key(op=COPY._replace(sources=("elsewhere",))), "a source that was renamed"


def test_with_link_the_parent_does_not_count() -> None:
    picked = [[Picked(b"a", b"a", [FILE._replace(path=b"")])]]
    linked = COPY._replace(link=True)
    assert copy_from_key(linked, "p", None, None, "s") == copy_from_key(linked, "q", None, None, "s")
    steps = ((linked, "p"), (linked, "q"), (COPY, "p"), (COPY, "q"), (COPY, ""))
    keys = [copy_key(op, parent, None, None, picked).digest for op, parent in steps]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 4


def test_exclude_counts_by_what_it_leaves_and_in_the_quick_key_by_its_text() -> None:
    assert key() == key(op=COPY._replace(exclude=("x",)))
    quick = [copy_from_key(COPY._replace(exclude=(text,)), "", None, None, "s").digest for text in "xy"]
    assert quick[0] != quick[1] != copy_from_key(COPY, "", None, None, "s").digest


def test_implied_folders_count_as_such() -> None:
    entries = [Entry(b"", Kind.DIR), Entry(b"d", Kind.DIR, 0o700), FILE._replace(path=b"d/f")]
    plain = Picked(b"", b"x", entries)
    implied = plain._replace(implied=frozenset({b"d"}), named=frozenset({b"d/f"}))
    keys = [copy_key(COPY, "", None, None, [[picked]]).digest for picked in (plain, implied)]
    assert keys[0] != keys[1]
    named = copy_key(COPY, "", None, None, [[implied._replace(named=frozenset())]])
    assert named.digest == keys[1]


def test_a_file_counts_with_its_own_name() -> None:
    def one(name: bytes) -> str:
        picked = Picked(name, b"x/" + name, [FILE._replace(path=b"")])
        return copy_key(COPY, "", None, None, [[picked]]).digest

    assert one(b"a") != one(b"b")


def test_the_listing_names_files_and_does_not_count() -> None:
    picked = Picked(b"src", b"src", [Entry(b"", Kind.DIR), FILE])
    made = copy_key(COPY, "p", None, None, [[picked]])
    assert made.listing == (Ingredient("file src", "folder"), Ingredient("file src: a", "f 644 0:0 1 aa"))
    assert made._replace(listing=()).digest == made.digest


def test_workdir_key() -> None:
    op = WorkdirOp("/a", "")
    assert workdir_key(op, "p", (0, 0), None) == workdir_key(op._replace(user="root"), "p", (0, 0), None)
    digests = {
        workdir_key(op, "p", (0, 0), None).digest,
        workdir_key(op, "q", (0, 0), None).digest,
        workdir_key(op, "p", (1, 0), None).digest,
        workdir_key(op, "p", None, None).digest,
        workdir_key(op._replace(path="/b"), "p", (0, 0), None).digest,
        workdir_key(op, "p", (0, 0), 7).digest,
    }
    assert len(digests) == 6


def test_ingredients_cannot_run_into_each_other() -> None:
    one = cache_key([Ingredient("a", "b"), Ingredient("c", "d")])
    other = cache_key([Ingredient("a", 'b"],["c'), Ingredient("", "d")])
    assert one.digest != other.digest

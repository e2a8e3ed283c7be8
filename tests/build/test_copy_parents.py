"""COPY --parents: folders are kept, from the pivot on; `**`; links; --chown, --chmod and --exclude."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.build.sieve import Wanted
from lamina.dockerfile import BadPattern, DockerfileError
from lamina.events import Notice

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

FILES = ("x/a.txt", "x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md", "y/a.txt", "top.txt", "w/y/b.txt")


@pytest.fixture
def pantry(kitchen: Kitchen) -> Kitchen:
    kitchen.write({name: name for name in FILES})
    (kitchen.context / "x").chmod(0o711)
    (kitchen.context / "x/y").chmod(0o2750)
    return kitchen


def files(kitchen: Kitchen, copy: str, folder: str = "o") -> list[str]:
    """The files that a COPY with these words makes below /o."""
    result = kitchen.build(f"FROM scratch\nCOPY {copy}\n")
    shown = kitchen.listing(result.image_id, folder)
    return [name for name, what in shown.items() if not what.startswith("d")]


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("x/a.txt y/a.txt /o/", ["x/a.txt", "y/a.txt"]),
        ("./x/a.txt /o", ["x/a.txt"]),
        ("/x/a.txt ../y/a.txt /o", ["x/a.txt", "y/a.txt"]),
        ("top.txt /o", ["top.txt"]),
        ("x/y /o/", ["x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md"]),
        ("x/y/ /o/", ["x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md"]),
        ("x/y/. /o/", ["x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md"]),
    ],
)
def test_folders_are_kept(pantry: Kitchen, words: str, made: list[str]) -> None:
    assert files(pantry, f"--parents {words}") == made


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("x/./y/b.txt /o/", ["y/b.txt"]),
        ("./x/./y/*.txt /o/", ["y/b.txt"]),
        ("/x/y/./z /o/", ["z/c.txt", "z/d.md"]),
        ("x/./y/./z /o/", ["y/z/c.txt", "y/z/d.md"]),
        ("./x/./a.txt /o/", ["a.txt"]),
        ("x/y/z/./ /o/", ["c.txt", "d.md"]),
        ("x/../x/./a.txt /o/", ["a.txt"]),
        ("*/./y/b.txt /o/", ["y/b.txt"]),
        ("x/*/./z/c* /o/", ["z/c.txt"]),
    ],
)
def test_the_pivot_says_from_where_on(pantry: Kitchen, words: str, made: list[str]) -> None:
    if words.startswith("*"):
        pantry.write({"w/y/b.txt": "x/y/b.txt"})
    assert files(pantry, f"--parents {words}") == made


@pytest.mark.parametrize(
    ("words", "made"),
    [
        ("x/**/*.txt /o/", ["x/a.txt", "x/y/b.txt", "x/y/z/c.txt"]),
        ("**/a.txt /o/", ["x/a.txt", "y/a.txt"]),
        ("**/y /o/", ["w/y/b.txt", "x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md", "y/a.txt"]),
        ("x/**/z/*.md /o/", ["x/y/z/d.md"]),
        ("x/./**/*.md /o/", ["y/z/d.md"]),
        ("x/** /o/", ["x/a.txt", "x/y/b.txt", "x/y/z/c.txt", "x/y/z/d.md"]),
        ("*/*.txt /o/", ["x/a.txt", "y/a.txt"]),
        ("*/y/b.txt /o/", ["w/y/b.txt", "x/y/b.txt"]),
        ("[xw]/y/?.txt /o/", ["w/y/b.txt", "x/y/b.txt"]),
        ("*.txt /o/", ["top.txt"]),
        ("y/../x/**/c* /o/", ["x/y/z/c.txt"]),
    ],
)
def test_wildcards(pantry: Kitchen, words: str, made: list[str]) -> None:
    assert files(pantry, f"--parents {words}") == made


def test_everything(pantry: Kitchen) -> None:
    (pantry.context / "Dockerfile").unlink(missing_ok=True)
    assert files(pantry, "--parents . /o") == sorted(FILES)
    assert files(pantry, "--parents ./ /o/") == sorted(FILES)
    assert files(pantry, "--parents x/./. /o") == ["a.txt", "y/b.txt", "y/z/c.txt", "y/z/d.md"]


def test_modes_and_owners_of_folders_come_from_the_source(pantry: Kitchen, many_ids: None) -> None:
    result = pantry.build(
        "FROM busybox AS made\nRUN mkdir -p /a/b && touch /a/b/c && chown -R 5:6 /a && chmod 700 /a /a/b\n"
        "FROM scratch\nCOPY --parents x/y/b.txt /o/\nCOPY --from=made --parents /a/./b/c /n/m\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["o"], shown["o/x"], shown["o/x/y"]) == ("d 755 0:0", "d 711 0:0", "d 2750 0:0")
    assert (shown["n"], shown["n/m"], shown["n/m/b"]) == ("d 755 0:0", "d 755 0:0", "d 700 5:6")
    assert shown["n/m/b/c"] == "f 644 5:6"


def test_folders_that_are_there_take_the_mode_and_keep_the_owner(pantry: Kitchen, many_ids: None) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir -p /o/x/y/z && chmod -R 777 /o && chown -R 8:9 /o\n"
        "COPY --parents x/y/z /o/\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["o"], shown["o/x"], shown["o/x/y"]) == ("d 777 8:9", "d 711 8:9", "d 2750 8:9")
    assert shown["o/x/y/z"] == "d 755 0:0", "what was asked for itself takes all"


def test_chown_and_chmod_hold_for_the_folders_too(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --parents --chown=1:2 --chmod=770 x/y/b.txt /o\n")
    assert pantry.listing(result.image_id) == {
        "o": "d 770 1:2",
        "o/x": "d 770 1:2",
        "o/x/y": "d 770 1:2",
        "o/x/y/b.txt": "f 770 1:2",
    }
    result = pantry.build("FROM scratch\nCOPY --parents --chmod=go= x/y/b.txt /o\n")
    assert pantry.listing(result.image_id, "o") == {
        "x": "d 700 0:0",
        "x/y": "d 700 0:0",
        "x/y/b.txt": "f 600 0:0",
    }


def test_several_stages_and_sources(pantry: Kitchen) -> None:
    text = (
        "FROM busybox AS base\nWORKDIR /t\nRUN mkdir -p a/b/c/d/e a/b2/c/d/e a/b/c2/d/e && touch a/b/c/d/foo"
        " a/b/c/d/e/bay a/b2/c/d/e/bar a/b/c2/d/e/baz\n"
        "FROM scratch\nCOPY --from=base --parents /t/a/b*/./c/**/e /one/\n"
        "COPY --from=base --parents /t/a/b/c*/./d/**/baz /t/a/b*/./c/**/bar /two\n"
    )
    result = pantry.build(text)
    shown = pantry.listing(result.image_id)
    names = [name for name, what in shown.items() if what.startswith("f")]
    assert names == ["one/c/d/e/bar", "one/c/d/e/bay", "two/c/d/e/bar", "two/d/e/baz"]


def test_links_are_copied_as_links(pantry: Kitchen) -> None:
    os.symlink("../top.txt", pantry.context / "x/link")
    os.symlink("nowhere", pantry.context / "x/dangling")
    os.symlink("x", pantry.context / "way")
    result = pantry.build(
        "FROM scratch\nCOPY --parents x/link x/dangl* way /o/\nCOPY --parents way/./y/b.txt /p/\n"
    )
    shown = pantry.listing(result.image_id, "o")
    assert shown == {
        "way": "l 777 0:0 -> x",
        "x": "d 711 0:0",
        "x/dangling": "l 777 0:0 -> nowhere",
        "x/link": "l 777 0:0 -> ../top.txt",
    }
    assert "y/b.txt" in pantry.listing(result.image_id, "p"), "before the pivot links are followed"


def test_through_a_link_is_an_error(pantry: Kitchen) -> None:
    os.symlink("x", pantry.context / "way")
    with pytest.raises(DockerfileError, match=r"/way/a\.txt leads through a link") as caught:
        pantry.build("FROM scratch\nCOPY --parents way/a.txt /o/\n")
    assert caught.value.line == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("x/missing /o/", '"/x/missing": not found'),
        ("x/./missing /o/", '"/x/missing": not found'),
        ("missing/./a.txt /o/", '"/missing/a.txt": not found'),
        ("missing/./*.txt /o/", '"/missing": not found'),
        ("top.txt/./* /o/", "/top.txt is not a folder"),
        ("x/[a /o/", "syntax error in pattern"),
        ("hidden/f /o/", "excluded from the build context by .dockerignore"),
    ],
)
def test_errors(pantry: Kitchen, words: str, message: str) -> None:
    pantry.write({"hidden/f": "f", ".dockerignore": "hidden\n"})
    with pytest.raises(DockerfileError, match=message.replace("[", r"\[")) as caught:
        pantry.build(f"FROM scratch\nCOPY --parents {words}\n")
    assert caught.value.line == 2


@pytest.mark.parametrize("words", ["x/m* /o/", "x/./m* /o", "x/**/*.none /o"])
def test_wildcards_that_match_nothing_make_the_destination(pantry: Kitchen, words: str) -> None:
    result = pantry.build(f"FROM scratch\nCOPY --parents {words}\n")
    assert pantry.listing(result.image_id) == {"o": "d 755 0:0"}
    assert any(isinstance(event, Notice) and "matches nothing" in event.text for event in pantry.events)


def test_exclude(pantry: Kitchen) -> None:
    assert files(pantry, "--parents --exclude=**/*.md --exclude=x/a.txt x y/a.txt /o/") == [
        "x/y/b.txt",
        "x/y/z/c.txt",
        "y/a.txt",
    ]
    assert files(pantry, "--parents --exclude=y/z x/./y /o/") == ["y/b.txt"]
    assert files(pantry, "--parents --exclude=x/y --exclude=!x/y/z/c.txt x /o/") == ["x/a.txt", "x/y/z/c.txt"]


def test_link(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir /r && ln -s r /o\nCOPY --parents --link --chown=4 x/a.txt /o/\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["o"], shown["o/x"], shown["o/x/a.txt"]) == ("d 755 4:4", "d 711 4:4", "f 644 4:4")


def test_documents_beside_it(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --parents x/a.txt <<doc /o\ntext\ndoc\n")
    assert list(pantry.listing(result.image_id, "o")) == ["doc", "x", "x/a.txt"]


def test_overlapping_folders_are_merged(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --parents x/./y w/./y /o/\n")
    assert pantry.read(result.image_id, "o/y/b.txt") == "w/y/b.txt", "the later one wins"
    assert pantry.read(result.image_id, "o/y/z/c.txt") == "x/y/z/c.txt"


def test_what_was_picked_counts(pantry: Kitchen) -> None:
    pantry.build("FROM scratch\nCOPY --parents x/**/*.txt /o/\n")
    pantry.write({"x/new.md": "new"})
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --parents x/**/*.txt /o/\n")) == []
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --parents ./x/*.txt x/*/**/*.txt /o/\n")) != []
    (pantry.context / "x").chmod(0o700)
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --parents x/**/*.txt /o/\n")) == ["COPY --parents"]


def test_the_history_names_it(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --chown=1 --parents ./x/./y/*.txt /o/\n")
    text = pantry.config(result.image_id).history[-1].created_by
    assert text == "COPY --parents --chown=1 ./x/./y/*.txt /o/"


def test_variables_and_json(pantry: Kitchen) -> None:
    result = pantry.build('FROM scratch\nARG D=x\nCOPY --parents ["$D/./y/b.txt", "/o p/"]\n')
    assert list(pantry.listing(result.image_id, "o p")) == ["y", "y/b.txt"]


def test_only_for_copy(pantry: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="unknown flag: --parents"):
        pantry.build("FROM scratch\nADD --parents x/a.txt /o/\n")


@given(
    st.lists(st.text("ab*?[]^", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join),
    st.lists(st.text("ab", min_size=1, max_size=2), min_size=1, max_size=4),
)
def test_no_folder_with_something_wanted_is_passed_over(pattern: str, parts: list[str]) -> None:
    try:
        wanted = Wanted(pattern)
    except BadPattern:
        return
    if not wanted.matches("/".join(parts), False):
        return
    for end in range(1, len(parts)):
        folder = "/".join(parts[:end])
        assert wanted.matches(folder, True) or wanted.may_contain(folder), (pattern, folder)

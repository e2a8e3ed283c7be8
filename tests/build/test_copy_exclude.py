"""COPY and ADD --exclude: patterns as in .dockerignore, below each folder that is copied."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.build.context import Context
from lamina.build.selecting import select
from lamina.dockerfile import DockerfileError, IgnoreFile
from lamina.events import Notice

if TYPE_CHECKING:
    from lamina.tree.entry import Entry

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

FILES = (
    "d/a.txt",
    "d/b.md",
    "d/s/a.txt",
    "d/s/c.md",
    "d/s/t/a.txt",
    "e/a.txt",
    "home.txt",
    "home.md",
    "homer",
)


@pytest.fixture
def pantry(kitchen: Kitchen) -> Kitchen:
    kitchen.write({name: name for name in FILES})
    (kitchen.context / "d/s").chmod(0o711)
    return kitchen


def made(kitchen: Kitchen, instruction: str) -> list[str]:
    """The files that an instruction makes below /o."""
    result = kitchen.build(f"FROM scratch\n{instruction}\n")
    shown = kitchen.listing(result.image_id, "o")
    return [name for name, what in shown.items() if not what.startswith("d")]


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("--exclude=*.txt d /o", ["b.md", "s/a.txt", "s/c.md", "s/t/a.txt"]),
        ("--exclude=**/*.txt d /o", ["b.md", "s/c.md"]),
        ("--exclude=*.txt --exclude=**/*.md d /o", ["s/a.txt", "s/t/a.txt"]),
        ("--exclude=s d /o", ["a.txt", "b.md"]),
        ("--exclude=/s/ d /o", ["a.txt", "b.md"]),
        ("--exclude=s/t d /o", ["a.txt", "b.md", "s/a.txt", "s/c.md"]),
        ("--exclude=s/* d /o", ["a.txt", "b.md"]),
        ("--exclude=*/*.txt d /o", ["a.txt", "b.md", "s/c.md", "s/t/a.txt"]),
        ("--exclude=d/s . /o", ["d/a.txt", "d/b.md", "e/a.txt", "home.md", "home.txt", "homer"]),
        ("--exclude=a.txt d/s e /o", ["c.md", "t/a.txt"]),
        ("--exclude=nothing d/s/t /o", ["a.txt"]),
        ("--exclude=[ab].* d /o", ["s/a.txt", "s/c.md", "s/t/a.txt"]),
        ("--exclude=s/** --exclude=!s/t/a.txt d /o", ["a.txt", "b.md", "s/t/a.txt"]),
        ("--exclude=* --exclude=!b.md d /o", ["b.md"]),
        ("--exclude=!a.txt --exclude=* d /o", []),
    ],
)
def test_below_a_folder(pantry: Kitchen, words: str, files: list[str]) -> None:
    assert made(pantry, f"COPY {words}") == files
    assert made(pantry, f"ADD {words}") == files


@pytest.mark.parametrize(
    ("words", "files"),
    [
        ("--exclude=*.txt hom* /o/", ["home.md", "homer"]),
        ("--exclude=*.txt --exclude=*.md hom* /o/", ["homer"]),
        ("--exclude=s/a.txt d/s/* /o/", ["a.txt", "c.md"]),
        ("--exclude=d/s/a.txt d/s/*.* /o/", ["c.md"]),
        ("--exclude=*.txt d/* home.md /o/", ["b.md", "c.md", "home.md", "t/a.txt"]),
        ("--exclude=s d/* /o/", ["a.txt", "b.md"]),
        ("--exclude=d d /o/", ["a.txt", "b.md", "s/a.txt", "s/c.md", "s/t/a.txt"]),
    ],
)
def test_what_a_source_names_itself(pantry: Kitchen, words: str, files: list[str]) -> None:
    if words == "--exclude=s/a.txt d/s/* /o/":  # t/a.txt and a.txt are files of a folder and a named one
        pantry.write({"d/s/t/a.txt": "d/s/a.txt"})
    assert made(pantry, f"COPY {words}") == files


@pytest.mark.parametrize("words", ["--exclude=home.txt home.txt /o/", "--exclude=* home.t* /o/"])
def test_nothing_left_is_said(pantry: Kitchen, words: str) -> None:
    result = pantry.build(f"FROM scratch\nCOPY {words}\n")
    assert pantry.listing(result.image_id) == {}
    assert any(
        isinstance(event, Notice) and "--exclude leaves nothing" in event.text for event in pantry.events
    )


def test_folders_that_end_up_empty_are_there(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM scratch\nCOPY --exclude=**/*.* d /o\nCOPY --exclude=* d /p\nADD --exclude=* [de] /q\n"
    )
    shown = pantry.listing(result.image_id)
    assert shown == {
        "o": "d 755 0:0",
        "o/s": "d 711 0:0",
        "o/s/t": "d 755 0:0",
        "p": "d 755 0:0",
        "q": "d 755 0:0",
    }


def test_an_excluded_folder_comes_back_with_what_is_taken_back(pantry: Kitchen, many_ids: None) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir -p /o/s/t && chmod -R 700 /o && chown -R 8:9 /o\n"
        "COPY --exclude=s --exclude=!s/t/a.txt d /o\nCOPY --exclude=s --exclude=!s/t/a.txt --chown=3 d /n\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["o/s"], shown["o/s/t"]) == ("d 711 8:9", "d 755 8:9"), "implied: the owner stays"
    assert (shown["n/s"], shown["n/s/t"], shown["n/s/t/a.txt"]) == ("d 711 3:3", "d 755 3:3", "f 644 3:3")
    assert "n/s/c.md" not in shown


def test_from_a_stage_and_an_image(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox AS a\nRUN mkdir -p /t/k && touch /t/x.log /t/y /t/k/z.log\n"
        "FROM scratch\nCOPY --from=a --exclude=**/*.log /t /o\nCOPY --from=busybox --exclude=*d /etc /etc\n"
    )
    assert list(pantry.listing(result.image_id, "o")) == ["k", "y"]
    assert list(pantry.listing(result.image_id, "etc")) == ["group"]


def test_an_excluded_broken_link_is_no_error(pantry: Kitchen) -> None:
    os.symlink("nowhere", pantry.context / "e/broken")
    assert made(pantry, "COPY --exclude=broken e/* /o/") == ["a.txt"]
    with pytest.raises(DockerfileError, match="not found"):
        pantry.build("FROM scratch\nCOPY --exclude=missing missing /o/\n")


def test_an_excluded_archive_is_not_unpacked(pantry: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("in.txt"))
    pantry.write({"f/x.tar": data.getvalue(), "f/y.tar": data.getvalue()})
    assert made(pantry, "ADD --exclude=*.tar f/* /o/") == []
    assert made(pantry, "ADD --exclude=x.tar --exclude=in.txt f/*.tar /o/") == ["in.txt"], (
        "not for its contents"
    )


def test_documents_stay(pantry: Kitchen) -> None:
    assert made(pantry, "COPY --exclude=*.txt e <<b.txt /o/\n1\nb.txt") == ["b.txt"]


def test_variables(pantry: Kitchen) -> None:
    assert made(pantry, "ARG X=*.txt\nCOPY --exclude=$X --exclude=${NONE:-s} d /o") == ["b.md"]
    assert made(pantry, "COPY --exclude=$NONE e /o") == ["a.txt"], "an empty pattern is none"


@pytest.mark.parametrize("pattern", ["[a", "!"])
def test_bad_patterns(pantry: Kitchen, pattern: str) -> None:
    with pytest.raises(DockerfileError, match="pattern") as caught:
        pantry.build(f"FROM scratch\n# escape\nCOPY --exclude={pattern} d /o\n")
    assert (caught.value.line, caught.value.column) == (3, 6)


def test_needs_a_value(pantry: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="missing a value on flag: --exclude"):
        pantry.build("FROM scratch\nCOPY --exclude d /o\n")


def test_what_is_left_counts_and_not_the_pattern(pantry: Kitchen) -> None:
    pantry.build("FROM scratch\nCOPY --exclude=s --exclude=*.md d /o\n")
    pantry.write({"d/b.md": "changed", "d/s/c.md": "changed"})
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --exclude=s --exclude=*.md d /o\n")) == []
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --exclude=[sb]* d /o\n")) == []
    pantry.write({"d/a.txt": "changed"})
    assert pantry.ran(pantry.build("FROM scratch\nCOPY --exclude=s --exclude=*.md d /o\n")) == [
        "COPY --exclude=s"
    ]


def test_an_excluded_device_is_no_error(pantry: Kitchen) -> None:
    try:
        os.mknod(pantry.context / "d/s/dev", 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only root may make devices")
    assert made(pantry, "COPY --exclude=s d /o") == ["a.txt", "b.md"]
    with pytest.raises(DockerfileError, match="is a device"):
        pantry.build("FROM scratch\nCOPY d /o\n")


def test_excluded_files_are_not_read(pantry: Kitchen) -> None:
    read: list[bytes] = []

    class Noting(Context):
        def digest(self, entry: Entry) -> str:
            read.append(entry.path)
            return super().digest(entry)

    context = Noting(str(pantry.context), None, {})
    select(context, "d", IgnoreFile.of(["s", "*.md"]))
    select(context, "hom*", IgnoreFile.of(["*.*"]))
    context.close()
    assert read == [b"d/a.txt", b"homer"]


def test_from_a_stage_the_pattern_counts_for_the_quick_key(pantry: Kitchen) -> None:
    start = "FROM busybox AS a\nRUN mkdir /t && touch /t/x /t/y\nFROM scratch\n"
    text = start + "COPY --from=a --exclude={0} /t /o\n"
    pantry.build(text.format("x"))
    result = pantry.build(text.format("y"))
    assert list(pantry.listing(result.image_id, "o")) == ["x"]


def test_the_history_does_not_name_it(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --exclude=s d /o\n")
    assert pantry.config(result.image_id).history[-1].created_by == "COPY d /o"

"""Two files that one COPY names must not become one; folders are merged."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.dockerfile import DockerfileError

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def pantry(kitchen: Kitchen) -> Kitchen:
    kitchen.write({"a/x": "1", "b/x": "2", "c/x": "1", "a/only": "a", "x": "1"})
    return kitchen


@pytest.mark.parametrize(
    ("instruction", "first", "second"),
    [
        ("COPY a/x b/x /o/", "/a/x", "/b/x"),
        ("ADD a/x b/x /o/", "/a/x", "/b/x"),
        ("COPY */x /o/", "/a/x", "/b/x"),
        ("COPY x c/x b/x /o/", "/x", "/b/x"),
        ("COPY --link a/x b/x /o/", "/a/x", "/b/x"),
        ("COPY --parents a/./x b/./x /o/", "/a/x", "/b/x"),
        ("COPY --parents [ab]/./** /o/", "/a/x", "/b/x"),
        ("COPY b/x <<x /o/\n1\nx", "/b/x", "<<x"),
        ("COPY --parents b/./x <<x /o/\n1\nx", "/b/x", "<<x"),
    ],
)
def test_two_files_of_one_name(pantry: Kitchen, instruction: str, first: str, second: str) -> None:
    with pytest.raises(DockerfileError, match=f"{first} and {second} would both become /o/x") as caught:
        pantry.build(f"FROM scratch\n{instruction}\n")
    assert caught.value.line == 2
    assert caught.value.hint


def test_the_error_points_at_the_second_one(pantry: Kitchen) -> None:
    with pytest.raises(DockerfileError) as caught:
        pantry.build("FROM scratch\nCOPY a/x b/x /o/\n")
    assert caught.value.column == 10


def test_from_a_stage(pantry: Kitchen) -> None:
    text = "FROM busybox AS s\nRUN mkdir /a /b && echo 1 > /a/x && echo 2 > /b/x\nFROM scratch\n"
    with pytest.raises(DockerfileError, match="/a/x and /b/x would both become /o/x"):
        pantry.build(text + "COPY --from=s /a/x /b/x /o/\n")


def test_two_documents_of_one_name(pantry: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="two here-documents would both become /o/x"):
        pantry.build("FROM scratch\nCOPY <<x <<x /o/\n1\nx\n2\nx\n")


@pytest.mark.parametrize(
    "instruction",
    [
        "COPY a/x c/x /o/",
        "COPY x a/x* x /o/",
        "COPY a/x a/x /o/",
        "COPY <<x <<x /o/\n1\nx\n1\nx",
        "COPY --parents a/./x c/./x /o/",
    ],
)
def test_equal_files_are_no_collision(pantry: Kitchen, instruction: str) -> None:
    result = pantry.build(f"FROM scratch\n{instruction}\n")
    assert pantry.read(result.image_id, "o/x").strip() == "1"


@pytest.mark.parametrize(
    ("instruction", "content"),
    [
        ("COPY a b /o/", "2"),
        ("COPY b a /o/", "1"),
        ("COPY a b/x /o/", "2"),
        ("COPY b/x a /o/", "1"),
        ("COPY [ab] /o/", "2"),
        ("COPY a <<x /o/\n3\nx", "3\n"),
        ("COPY --parents a/. b/. /o/", "-"),
        ("COPY --parents ./[ab]/./. /o/", "2"),
    ],
)
def test_folders_are_merged_and_the_later_one_wins(pantry: Kitchen, instruction: str, content: str) -> None:
    result = pantry.build(f"FROM scratch\n{instruction}\n")
    if content != "-":
        assert pantry.read(result.image_id, "o/x") == content
    assert "o/only" in pantry.listing(result.image_id) or "o/a/only" in pantry.listing(result.image_id)


def test_archives_that_are_unpacked_have_no_name(pantry: Kitchen) -> None:
    def tar(name: str) -> bytes:
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        return data.getvalue()

    pantry.write({"a/t.tar": tar("one"), "b/t.tar": tar("two")})
    result = pantry.build("FROM scratch\nADD a/t.tar b/t.tar /o/\n")
    assert list(pantry.listing(result.image_id, "o")) == ["one", "two"]
    with pytest.raises(DockerfileError, match=r"would both become /o/t\.tar"):
        pantry.build("FROM scratch\nCOPY a/t.tar b/t.tar /o/\n")


def test_two_instructions_may_do_it(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY a/x /o/\nCOPY b/x /o/\n")
    assert pantry.read(result.image_id, "o/x") == "2"

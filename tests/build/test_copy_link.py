"""COPY and ADD --link: a layer that is made in an empty root, and does not depend on what lies below."""

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
    kitchen.write({"one": "1", "d/a": "a", "d/sub/b": "b"})
    (kitchen.context / "d/sub").chmod(0o700)
    return kitchen


def test_links_at_the_destination_are_replaced_by_folders(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir /real && ln -s /real /way && ln -s /nowhere /gone\n"
        "COPY --link one /way/\nCOPY --link d /gone\n"
    )
    shown = pantry.listing(result.image_id)
    assert shown["way"] == shown["gone"] == "d 755 0:0"
    assert shown["way/one"] == "f 644 0:0"
    assert shown["gone/sub"] == "d 700 0:0"
    assert pantry.listing(result.image_id, "real") == {}


def test_without_link_they_are_followed(pantry: Kitchen) -> None:
    result = pantry.build("FROM busybox\nRUN mkdir /real && ln -s /real /way\nCOPY --link=false one /way/\n")
    assert pantry.listing(result.image_id, "real") == {"one": "f 644 0:0"}
    assert pantry.listing(result.image_id)["way"] == "l 777 0:0 -> /real"


def test_parent_folders_are_made_anew(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir -m 700 /p && chown 5:6 /p && mkdir /p/keep\n"
        "COPY --link one /p/one\nCOPY --link --chown=7:8 one /tmp/new/one\n"
    )
    shown = pantry.listing(result.image_id)
    assert shown["p"] == "d 755 0:0"
    assert shown["p/keep"] == "d 755 0:0", "what was in it stays"
    assert (shown["tmp"], shown["tmp/new"], shown["tmp/new/one"]) == ("d 755 7:8", "d 755 7:8", "f 644 7:8")


def test_a_later_run_sees_what_was_linked(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir /real /solid && touch /real/x /solid/x && ln -s real /way\n"
        "COPY --link one /way/one\nCOPY --link one /solid\n"
        "RUN cat /way/one /solid && test ! -e /way/x && ! test -L /way && touch /way/two\n"
    )
    assert pantry.listing(result.image_id, "way") == {"one": "f 644 0:0", "two": "f 644 0:0"}
    assert pantry.listing(result.image_id)["solid"] == "f 644 0:0", "a folder is replaced, as in any layer"


def test_a_relative_destination_is_below_workdir(pantry: Kitchen) -> None:
    result = pantry.build("FROM busybox\nWORKDIR /w\nCOPY --link one .\nCOPY --link one x/\n")
    assert pantry.listing(result.image_id, "w") == {
        "one": "f 644 0:0",
        "x": "d 755 0:0",
        "x/one": "f 644 0:0",
    }


def test_the_layer_is_reused_on_another_base(pantry: Kitchen) -> None:
    text = "FROM busybox\nRUN echo {0} > /etc/state\nCOPY --link --chown=3 d /data\nADD --link one /data/\n"
    first = pantry.build(text.format("one"))
    again = pantry.build(text.format("two"))
    assert pantry.ran(again) == ["RUN echo"], "the state below does not count"
    assert pantry.config(first.image_id).diff_ids[-2:] == pantry.config(again.image_id).diff_ids[-2:]
    assert pantry.read(again.image_id, "etc/state") == "two\n"
    assert pantry.read(again.image_id, "data/one") == "1"
    other = pantry.build("FROM scratch\nCOPY --link --chown=3 d /data\n")
    assert pantry.ran(other) == [], "nor does another image"


def test_without_link_the_state_below_counts(pantry: Kitchen) -> None:
    """As far as COPY looks at it: the folder that it makes is there already."""
    text = "FROM busybox\nRUN mkdir /{0}\nCOPY d /data\n"
    pantry.build(text.format("other"))
    assert pantry.ran(pantry.build(text.format("data"))) == ["RUN mkdir", "COPY d"]


def test_a_changed_source_is_noticed(pantry: Kitchen) -> None:
    text = "FROM busybox\nCOPY --link d /data\n"
    pantry.build(text)
    pantry.write({"d/a": "changed"})
    result = pantry.build(text)
    assert pantry.ran(result) == ["COPY --link"]
    assert pantry.read(result.image_id, "data/a") == "changed"


def test_from_a_stage(pantry: Kitchen, many_ids: None) -> None:
    text = (
        "FROM busybox AS made\nRUN mkdir -m 750 /out && echo x > /out/x && chown -R 5:6 /out\n"
        "FROM busybox\nRUN echo {0} > /state\nCOPY --link --from=made /out /out\n"
    )
    result = pantry.build(text.format(1))
    assert pantry.listing(result.image_id, "out") == {"x": "f 644 5:6"}
    assert pantry.ran(pantry.build(text.format(2))) == ["RUN echo"]


def test_two_stages_share_one_step(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox AS a\nRUN echo a > /a\nCOPY --link d /d\n"
        "FROM busybox AS b\nRUN echo b > /b\nCOPY --link d /d\n"
        "FROM scratch\nCOPY --from=a /d /a\nCOPY --from=b /d /b\n"
    )
    copies = [step for step in result.steps if step.text.startswith("COPY --link")]
    assert len({step.diff_id for step in copies}) == 1
    assert sorted(step.cached for step in copies) == [False, True]


@pytest.mark.parametrize("chown", ["worker", "root:staff", "0:staff", ":staff"])
def test_chown_needs_numbers(pantry: Kitchen, chown: str) -> None:
    with pytest.raises(DockerfileError, match="needs numbers because of --link") as caught:
        pantry.build(f"FROM busybox\nCOPY --link --chown={chown} one /x\n")
    assert caught.value.line == 2
    assert caught.value.hint is not None
    assert "/etc/passwd" in caught.value.hint


def test_documents(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nRUN ln -s /etc /way\nCOPY --link --chown=4:5 <<one <<two /way/\n1\none\n2\ntwo\n"
    )
    assert pantry.listing(result.image_id, "way") == {"one": "f 644 4:5", "two": "f 644 4:5"}
    assert pantry.listing(result.image_id)["way"] == "d 755 4:5"


def test_add_unpacks_into_the_empty_root(pantry: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("lib/x"))
    pantry.write({"a.tar": data.getvalue()})
    result = pantry.build("FROM busybox\nRUN mkdir /usr/lib && ln -s usr/lib /lib\nADD --link a.tar /\n")
    assert pantry.listing(result.image_id)["lib"] == "d 755 0:0"
    assert pantry.listing(result.image_id, "usr/lib") == {}


def test_with_chmod_it_is_an_ordinary_copy_as_for_buildkit(pantry: Kitchen) -> None:
    text = "FROM busybox\nRUN mkdir -m 700 /p && ln -s p /way\nCOPY --link --chmod=644 one /way/\n"
    result = pantry.build(text)
    shown = pantry.listing(result.image_id)
    assert shown["p/one"] == "f 644 0:0"
    assert shown["p"] == "d 700 0:0", "no folder becomes 644"


def test_the_history_does_not_name_it(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY --link --chown=1:2 one /x\n")
    assert pantry.config(result.image_id).history[-1].created_by == "COPY --chown=1:2 one /x"


def test_source_date_epoch(pantry: Kitchen) -> None:
    text = "FROM {0}\nCOPY --link d /n/d\nCOPY --link <<x /n/\n1\nx\n"
    result = pantry.build(text.format("busybox"), build_args={"SOURCE_DATE_EPOCH": "1000"})
    files = pantry.files(result.image_id)
    for path in (b"n", b"n/d", b"n/d/a", b"n/d/sub", b"n/d/sub/b", b"n/x"):
        entry = files.get(path)
        assert entry is not None
        assert entry.mtime == 1000 * 10**9
    pantry.build(text.format("scratch"))
    other = pantry.build(text.format("scratch"), build_args={"SOURCE_DATE_EPOCH": "1000"})
    assert pantry.ran(other) == []

"""COPY, ADD and WORKDIR: where things go, with which mode and owner."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.dockerfile import DockerfileError
from lamina.events import Notice

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

FILES = {
    "one.txt": "1",
    "two.txt": "22",
    "run.sh": "#!/bin/sh\n",
    "dir/a": "a",
    "dir/sub/b": "b",
    "dir2/c": "c",
    "with space/x y": "s",
}


@pytest.fixture
def pantry(kitchen: Kitchen) -> Kitchen:
    kitchen.write(FILES)
    (kitchen.context / "run.sh").chmod(0o755)
    (kitchen.context / "dir/sub").chmod(0o700)
    os.symlink("one.txt", kitchen.context / "link")
    os.symlink("dir", kitchen.context / "dirlink")
    os.symlink("../../../etc/passwd", kitchen.context / "dir/outside")
    (kitchen.context / "empty").mkdir()
    return kitchen


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        ("COPY one.txt /x", {"x": "f 644 0:0"}),
        ("COPY one.txt /d/", {"d": "d 755 0:0", "d/one.txt": "f 644 0:0"}),
        ("COPY one.txt /a/b/c", {"a": "d 755 0:0", "a/b": "d 755 0:0", "a/b/c": "f 644 0:0"}),
        ("COPY one.txt two.txt /d/", {"d": "d 755 0:0", "d/one.txt": "f 644 0:0", "d/two.txt": "f 644 0:0"}),
        ("COPY run.sh .", {"run.sh": "f 755 0:0"}),
        ("WORKDIR /w\nCOPY run.sh .", {"w": "d 755 0:0", "w/run.sh": "f 755 0:0"}),
        (
            "COPY dir /d",
            {
                "d": "d 755 0:0",
                "d/a": "f 644 0:0",
                "d/outside": "l 777 0:0 -> ../../../etc/passwd",
                "d/sub": "d 700 0:0",
                "d/sub/b": "f 644 0:0",
            },
        ),
        ("COPY dir2/ /d/", {"d": "d 755 0:0", "d/c": "f 644 0:0"}),
        ("COPY dir2 /", {"c": "f 644 0:0"}),
        ("COPY dir/sub dir2 /d/", {"d": "d 755 0:0", "d/b": "f 644 0:0", "d/c": "f 644 0:0"}),
        ("COPY empty /e", {"e": "d 755 0:0"}),
        ("COPY link /x", {"x": "f 644 0:0"}),
        ("COPY dirlink/a /x", {"x": "f 644 0:0"}),
        ("COPY dirlink/sub /s", {"s": "d 755 0:0", "s/b": "f 644 0:0"}),
        ("COPY *.txt /d/", {"d": "d 755 0:0", "d/one.txt": "f 644 0:0", "d/two.txt": "f 644 0:0"}),
        ("COPY o?e.t[x-z]t /x", {"x": "f 644 0:0"}),
        ("COPY di*/c /d/", {"d": "d 755 0:0", "d/c": "f 644 0:0"}),
        ("COPY dir? /d/", {"d": "d 755 0:0", "d/c": "f 644 0:0"}),
        ('COPY ["with space/x y", "/to/"]', {"to": "d 755 0:0", "to/x y": "f 644 0:0"}),
        ("COPY --chown=7 one.txt /d/", {"d": "d 755 7:7", "d/one.txt": "f 644 7:7"}),
        ("COPY --chown=7:8 dir2 /d", {"d": "d 755 7:8", "d/c": "f 644 7:8"}),
        ("COPY --chmod=600 one.txt /x", {"x": "f 600 0:0"}),
        ("COPY --chmod=u+x,go= dir/sub /s", {"s": "d 755 0:0", "s/b": "f 700 0:0"}),
        ("COPY --chmod=4755 run.sh /x", {"x": "f 4755 0:0"}),
        ("COPY ../../one.txt /x", {"x": "f 644 0:0"}),
        ("COPY /dir/../one.txt /x", {"x": "f 644 0:0"}),
        ("ARG N=one\nENV E=txt\nCOPY ${N}.$E /$N", {"one": "f 644 0:0"}),
        ("COPY one.txt /x\nCOPY two.txt /x", {"x": "f 644 0:0"}),
        ("COPY dir/sub /d\nCOPY dir2 /d", {"d": "d 755 0:0", "d/b": "f 644 0:0", "d/c": "f 644 0:0"}),
        ("COPY <<EOF /x\nhello $HOME\nEOF", {"x": "f 644 0:0"}),
        (
            "COPY --chown=3 --chmod=700 <<a <<b /d/\n1\na\n2\nb",
            {"d": "d 700 3:3", "d/a": "f 700 3:3", "d/b": "f 700 3:3"},
        ),
        ("WORKDIR /a/b", {"a": "d 755 0:0", "a/b": "d 755 0:0"}),
        ("USER 9:10\nWORKDIR /a/b", {"a": "d 755 9:10", "a/b": "d 755 9:10"}),
        ("WORKDIR /a\nUSER 9\nWORKDIR b", {"a": "d 755 0:0", "a/b": "d 755 9:9"}),
    ],
)
def test_placement(pantry: Kitchen, lines: str, shown: dict[str, str]) -> None:
    result = pantry.build(f"FROM scratch\n{lines}\n")
    assert pantry.listing(result.image_id) == shown


def test_content_and_the_last_one_wins(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY one.txt /x\nCOPY two.txt /x\nCOPY link /l\n")
    assert pantry.read(result.image_id, "x") == "22"
    assert pantry.read(result.image_id, "l") == "1"


def test_documents(pantry: Kitchen) -> None:
    text = 'FROM busybox\nARG V=1\nCOPY <<EOF /a\n$V "quoted" \\$V\nEOF\nCOPY <<"RAW" /b\n$V\nRAW\n'
    result = pantry.build(text)
    assert pantry.read(result.image_id, "a") == '1 "quoted" $V\n'
    assert pantry.read(result.image_id, "b") == "$V\n"


@pytest.mark.parametrize(
    ("chown", "owner"),
    [
        ("worker", "1234:4321"),
        ("worker:staff", "1234:50"),
        ("worker:", "1234:4321"),
        ("5:staff", "5:50"),
        ("root", "0:0"),
        ("worker:9", "1234:9"),
        (":staff", "0:50"),
    ],
)
def test_names_are_the_images_own(pantry: Kitchen, chown: str, owner: str) -> None:
    result = pantry.build(f"FROM busybox\nCOPY --chown={chown} one.txt /x\n")
    assert pantry.listing(result.image_id)["x"] == f"f 644 {owner}"


def test_destination_links_are_followed_inside_the_image(pantry: Kitchen) -> None:
    text = (
        "FROM busybox\n"
        "RUN mkdir /real && ln -s /real /by-link && ln -s ../../../target /escape && ln -s /there /dangling\n"
        "COPY one.txt /by-link/\nCOPY one.txt /escape\nCOPY two.txt /dangling\nCOPY dir2 /by-link\n"
    )
    result = pantry.build(text)
    shown = pantry.listing(result.image_id)
    assert shown["by-link"] == "l 777 0:0 -> /real"
    assert (shown["real/one.txt"], shown["real/c"]) == ("f 644 0:0", "f 644 0:0")
    assert shown["target"] == "f 644 0:0"
    assert pantry.read(result.image_id, "there") == "22"


def test_folders_that_are_there_keep_their_owner_on_top_and_change_below(
    pantry: Kitchen, many_ids: None
) -> None:
    text = "FROM busybox\nRUN mkdir -p /d/sub && chown -R 5:5 /d && chmod 750 /d /d/sub\nCOPY dir /d\n"
    shown = pantry.listing(pantry.build(text).image_id, "d")
    assert shown["sub"] == "d 700 0:0", "a folder below takes the source's mode and owner"
    result = pantry.build(text)
    assert pantry.listing(result.image_id)["d"] == "d 750 5:5"


def test_a_link_below_is_replaced_not_followed(pantry: Kitchen) -> None:
    result = pantry.build("FROM busybox\nRUN mkdir /d && ln -s /etc/passwd /d/a\nCOPY dir /d\n")
    assert pantry.listing(result.image_id)["d/a"] == "f 644 0:0"
    assert "worker" in pantry.read(result.image_id, "etc/passwd")


def test_links_of_the_context_never_lead_out(pantry: Kitchen) -> None:
    (pantry.context / "etc").mkdir()
    (pantry.context / "etc/passwd").write_text("ours")
    os.symlink("/etc/passwd", pantry.context / "abs")
    result = pantry.build("FROM scratch\nCOPY abs /x\nCOPY dir/outside /y\n")
    assert pantry.read(result.image_id, "x") == "ours"
    assert pantry.read(result.image_id, "y") == "ours"


def test_hard_links_stay_together(pantry: Kitchen) -> None:
    os.link(pantry.context / "dir2/c", pantry.context / "dir2/again")
    result = pantry.build("FROM scratch\nCOPY dir2 /d\n")
    shown = pantry.listing(result.image_id)
    assert (shown["d/again"], shown["d/c"]) == ("f 644 0:0", "h 644 0:0")
    assert pantry.read(result.image_id, "d/c") == "c"
    one = pantry.build("FROM scratch\nCOPY dir2/c /x\n")
    assert pantry.listing(one.image_id) == {"x": "f 644 0:0"}


def test_hard_links_of_two_matches_are_two_files(pantry: Kitchen) -> None:
    os.link(pantry.context / "one.txt", pantry.context / "one more.txt")
    result = pantry.build("FROM scratch\nCOPY one* /d/\n")
    shown = pantry.listing(result.image_id, "d")
    assert shown == {"one more.txt": "f 644 0:0", "one.txt": "f 644 0:0"}


def test_sockets_are_empty_files_and_fifos_are_kept(pantry: Kitchen) -> None:
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(pantry.context / "dir2/socket"))
    os.mkfifo(pantry.context / "dir2/fifo", 0o600)
    result = pantry.build("FROM scratch\nCOPY dir2 /d\n")
    assert sorted(pantry.listing(result.image_id)) == ["d", "d/c", "d/fifo", "d/socket"]
    assert pantry.listing(result.image_id)["d/socket"].startswith("f ")
    assert pantry.read(result.image_id, "d/socket") == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="making a device node needs root")
def test_devices_are_refused(pantry: Kitchen) -> None:
    try:
        os.mknod(pantry.context / "dir2/null", 0o20666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device node is not allowed here")
    with pytest.raises(DockerfileError, match="is a device"):
        pantry.build("FROM scratch\nCOPY dir2 /d\n")


def test_times_are_kept_and_new_folders_have_the_newest(pantry: Kitchen) -> None:
    for name, seconds in (("dir2/c", 1_500_000_000), ("dir2", 1_400_000_000)):
        os.utime(pantry.context / name, (seconds, seconds))
    result = pantry.build("FROM scratch\nCOPY dir2 /new/d\n")
    files = pantry.files(result.image_id)
    times = {entry.path: entry.mtime // 10**9 for entry in files.walk()}
    assert times[b"new/d/c"] == 1_500_000_000
    assert times[b"new"] == times[b"new/d"] == 1_500_000_000


def test_source_date_epoch(pantry: Kitchen) -> None:
    args = {"SOURCE_DATE_EPOCH": "1600000000"}
    result = pantry.build("FROM scratch\nCOPY dir2 /d\nWORKDIR /w\n", build_args=args)
    files = pantry.files(result.image_id)
    assert {e.mtime for e in files.walk() if e.path} == {1_600_000_000 * 10**9}
    again = pantry.build("FROM scratch\nCOPY dir2 /d\nWORKDIR /w\n", build_args=args, no_cache=True)
    assert again.image_id == result.image_id


def test_equal_sources_make_equal_layers(pantry: Kitchen) -> None:
    first = pantry.build("FROM scratch\nCOPY dir /d\n")
    again = pantry.build("FROM scratch\nCOPY dir /d\n", no_cache=True)
    assert pantry.config(first.image_id).diff_ids == pantry.config(again.image_id).diff_ids


def test_workdir_that_is_there_is_an_empty_layer(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nWORKDIR /tmp\n")
    config = kitchen.config(result.image_id)
    assert config.diff_ids[-1] == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
    assert not config.history[-1].empty_layer
    assert kitchen.listing(result.image_id)["tmp"] == "d 1777 0:0"


@pytest.mark.parametrize(
    ("line", "column", "message"),
    [
        ("COPY nofile /x", 6, "not found in the build context"),
        ("COPY one.txt nofile /x/", 14, '"/nofile": not found'),
        ("COPY ../../outside /x", 6, '"/outside": not found'),
        ("COPY dir/none /x", 6, "not found"),
        ("COPY one.txt/x /x", 6, "not"),
        ("COPY one.txt two.txt /x", 1, "destination must be a directory"),
        ("COPY *.txt /x", 1, "destination must be a directory"),
        ("COPY --chown=nobody one.txt /x", 1, "unknown user 'nobody'"),
        ("COPY --chown=0:nogroup one.txt /x", 1, "unknown group 'nogroup'"),
        ("COPY one.txt /etc/passwd/x", 1, "not a directory"),
        ("COPY dir2 /etc/passwd", 1, "not a directory"),
        ("COPY --from=busybox /none /x", 21, "not found in image busybox"),
        ("COPY --from=nosuch:1 /a /b", 13, "image not found in the store: nosuch:1"),
        ("COPY [ab /x", 6, "\\["),
        ("WORKDIR /etc/passwd", 1, "not a directory"),
    ],
)
def test_errors_point_at_their_place(pantry: Kitchen, line: str, column: int, message: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        pantry.build(f"FROM busybox\n\n{line}\n")
    assert (caught.value.line, caught.value.column) == (3, column)


def test_a_file_cannot_replace_a_folder(pantry: Kitchen) -> None:
    (pantry.context / "deep/bin").mkdir(parents=True)
    (pantry.context / "deep/etc").write_text("a file")
    with pytest.raises(DockerfileError, match="cannot replace"):
        pantry.build("FROM busybox\nCOPY deep /\n")
    (pantry.context / "deep/etc").unlink()
    (pantry.context / "deep/bin/sh").mkdir()
    with pytest.raises(DockerfileError, match="cannot copy to non-directory: /bin/sh"):
        pantry.build("FROM busybox\nCOPY deep /\n")


def test_wildcards_that_match_nothing_are_no_error(pantry: Kitchen) -> None:
    result = pantry.build("FROM scratch\nCOPY one.txt no*such /\n")
    assert sorted(pantry.listing(result.image_id)) == ["one.txt"]
    assert any(isinstance(event, Notice) and "matches nothing" in event.text for event in pantry.events)


def test_names_that_no_layer_can_hold(pantry: Kitchen) -> None:
    pantry.write({"odd/.wh.x": ""})
    with pytest.raises(DockerfileError, match=r"\.wh\."):
        pantry.build("FROM scratch\nCOPY odd /\n")


# --- .dockerignore -------------------------------------------------------------------------------


def test_dockerignore(pantry: Kitchen) -> None:
    pantry.write({".dockerignore": "*\n!dir\ndir/sub\n!dir/sub/keep\n", "dir/sub/keep": "k"})
    result = pantry.build("FROM scratch\nCOPY . /\n")
    assert sorted(pantry.listing(result.image_id)) == [
        "dir",
        "dir/a",
        "dir/outside",
        "dir/sub",
        "dir/sub/keep",
    ]
    with pytest.raises(DockerfileError, match=r"excluded from the build context by \.dockerignore") as caught:
        pantry.build("FROM scratch\nCOPY one.txt /\n")
    assert caught.value.hint is not None


def test_the_dockerfiles_own_ignore_file_comes_first(pantry: Kitchen) -> None:
    pantry.write({".dockerignore": "one.txt\n", "my.Dockerfile.dockerignore": "*\n!one.txt\n"})
    result = pantry.build("FROM scratch\nCOPY . /\n", dockerfile_path=str(pantry.context / "my.Dockerfile"))
    assert sorted(pantry.listing(result.image_id)) == ["one.txt"]


def test_ignored_files_do_not_count(pantry: Kitchen) -> None:
    pantry.write({".dockerignore": "*.log\n.dockerignore\n", "a.log": "1"})
    pantry.build("FROM scratch\nCOPY . /\n")
    pantry.write({"a.log": "2", "dir/b.log": "3"})
    assert not pantry.build("FROM scratch\nCOPY . /\n").cached, "*.log says nothing of folders below"
    pantry.write({"a.log": "4"})
    assert pantry.build("FROM scratch\nCOPY . /\n").cached


def test_no_context(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN true\n", context=None)
    assert result.steps
    with pytest.raises(DockerfileError, match="no context"):
        kitchen.build("FROM busybox\nCOPY . .\n", context=None)


# --- COPY --from ---------------------------------------------------------------------------------


def test_from_a_stage_keeps_owners(pantry: Kitchen, many_ids: None) -> None:
    text = (
        "FROM busybox AS one\n"
        "RUN mkdir -p /out/d && echo x > /out/d/f && chown -R 3:4 /out && ln /out/d/f /out/l\n"
        "FROM scratch\nCOPY --from=one /out /o\n"
        "COPY --from=0 --chown=9 /out/d/f /f\nCOPY --from=ONE /bin/sh /sh\n"
    )
    result = pantry.build(text)
    shown = pantry.listing(result.image_id)
    assert shown["o"] == "d 755 0:0"
    assert shown["o/d"] == "d 755 3:4"
    assert (shown["o/d/f"], shown["o/l"]) == ("f 644 3:4", "h 644 3:4")
    assert shown["f"] == "f 644 9:9"
    assert shown["sh"] == "f 755 0:0", "a link that is named is followed"
    assert pantry.read(result.image_id, "o/l") == "x\n"


def test_from_an_image(pantry: Kitchen) -> None:
    image = pantry.tag("docker.io/library/busybox:latest")
    assert image is not None
    for name in ("busybox", "busybox:latest", "docker.io/library/busybox", image, image[7:19]):
        result = pantry.build(f"FROM scratch\nCOPY --from={name} /etc/passwd /p\n")
        assert "worker" in pantry.read(result.image_id, "p")


def test_a_stage_that_gives_the_same_files_cuts_off(pantry: Kitchen) -> None:
    text = "FROM busybox AS one\nRUN echo {0} > /tmp/x; echo same > /y\nFROM scratch\nCOPY --from=one /y /y\n"
    pantry.build(text.format("a"))
    result = pantry.build(text.format("b"))
    assert [step.cached for step in result.steps] == [False, True]


# --- archives ------------------------------------------------------------------------------------


def archive(mode: str = "w", **members: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size, info.mode, info.uid, info.gid = len(content), 0o640, 5, 6
            info.mtime = 1_600_000_000
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_add_unpacks(kitchen: Kitchen, mode: str) -> None:
    kitchen.write({"a.bin": archive(mode, d__f=b"hello")})
    result = kitchen.build("FROM scratch\nADD a.bin /to\nCOPY a.bin /copied\n")
    shown = kitchen.listing(result.image_id)
    assert shown == {
        "copied": "f 644 0:0",
        "to": "d 755 0:0",
        "to/d": "d 755 0:0",
        "to/d/f": "f 640 5:6",
    }
    assert kitchen.read(result.image_id, "to/d/f") == "hello"


def test_add_unpacks_zstd(kitchen: Kitchen) -> None:
    import zstandard

    kitchen.write({"a.tar.zst": zstandard.compress(archive(f=b"x"))})
    result = kitchen.build("FROM scratch\nADD a.tar.zst /\n")
    assert kitchen.listing(result.image_id) == {"f": "f 640 5:6"}


def test_add_of_no_archive_copies(kitchen: Kitchen) -> None:
    import gzip

    kitchen.write({"t.txt": "text", "t.gz": gzip.compress(b"no tar"), "e": ""})
    result = kitchen.build("FROM scratch\nADD t.txt t.gz e /d/\n")
    assert sorted(kitchen.listing(result.image_id)) == ["d", "d/e", "d/t.gz", "d/t.txt"]


def test_add_chown_and_links_in_an_archive(kitchen: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, kind, link in (
            ("d", tarfile.DIRTYPE, ""),
            ("d/f", tarfile.REGTYPE, ""),
            ("h", tarfile.LNKTYPE, "d/f"),
            ("s", tarfile.SYMTYPE, "d"),
            ("s/through", tarfile.REGTYPE, ""),
            ("abs", tarfile.SYMTYPE, "/etc"),
        ):
            info = tarfile.TarInfo(name)
            info.type, info.linkname, info.mode = kind, link, 0o755
            tar.addfile(info)
    kitchen.write({"a.tar": data.getvalue()})
    result = kitchen.build("FROM busybox\nADD --chown=7:8 a.tar /x/\n")
    shown = kitchen.listing(result.image_id, "x")
    assert shown == {
        "abs": "l 777 7:8 -> /etc",
        "d": "d 755 7:8",
        "d/f": "f 755 7:8",
        "d/through": "f 755 7:8",
        "h": "h 755 7:8",
        "s": "l 777 7:8 -> d",
    }


def test_add_takes_mode_and_owner_from_the_last_name_of_a_file(kitchen: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, mode in (("a", 0o600), ("b", 0o640), ("c", 0o4755)):
            info = tarfile.TarInfo(name)
            info.mode, info.uid, info.gid = mode, mode, 9
            if name != "a":
                info.type, info.linkname = tarfile.LNKTYPE, "a"
            tar.addfile(info)
    kitchen.write({"a.tar": data.getvalue()})
    result = kitchen.build("FROM scratch\nADD a.tar /\n")
    last = f"4755 {0o4755}:9"
    assert kitchen.listing(result.image_id) == {"a": f"f {last}", "b": f"h {last}", "c": f"h {last}"}


def test_add_of_a_file_that_replaces_one_with_other_names(kitchen: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for name, link, content in (("a", "", b"old"), ("b", "a", b""), ("a", "", b"new"), ("c", "b", b"")):
            info = tarfile.TarInfo(name)
            info.size, info.linkname = len(content), link
            info.type = tarfile.LNKTYPE if link else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(content))
    kitchen.write({"a.tar": data.getvalue()})
    result = kitchen.build("FROM scratch\nADD a.tar /\n")
    assert kitchen.listing(result.image_id) == {"a": "f 644 0:0", "b": "f 644 0:0", "c": "h 644 0:0"}
    assert [kitchen.read(result.image_id, name) for name in "abc"] == ["new", "old", "old"]


def test_add_chown_leaves_folders_that_the_archive_only_implies_to_root(kitchen: Kitchen) -> None:
    kitchen.write({"a.tar": archive(d__f=b"x")})
    result = kitchen.build("FROM scratch\nADD --chown=7:8 a.tar /to\n")
    assert kitchen.listing(result.image_id) == {
        "to": "d 755 7:8",
        "to/d": "d 755 0:0",
        "to/d/f": "f 640 7:8",
    }


def test_add_replaces_a_link_by_a_folder_of_its_name(kitchen: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        folder = tarfile.TarInfo("x/link")
        folder.type, folder.mode = tarfile.DIRTYPE, 0o750
        tar.addfile(folder)
        tar.addfile(tarfile.TarInfo("x/link/f"))
    kitchen.write({"a.tar": data.getvalue()})
    result = kitchen.build("FROM busybox\nRUN mkdir /x /etc/real && ln -s /etc/real /x/link\nADD a.tar /\n")
    assert kitchen.listing(result.image_id, "x") == {"link": "d 750 0:0", "link/f": "f 644 0:0"}
    assert kitchen.listing(result.image_id, "etc/real") == {}


def test_add_replaces_what_is_there(kitchen: Kitchen) -> None:
    kitchen.write({"a.tar": archive(home=b"a file now", etc__passwd=b"new")})
    result = kitchen.build("FROM busybox\nADD a.tar /\n")
    shown = kitchen.listing(result.image_id)
    assert shown["home"] == "f 640 5:6"
    assert "home/worker" not in shown
    assert kitchen.read(result.image_id, "etc/passwd") == "new"
    assert "etc/group" in shown


@pytest.mark.parametrize(
    ("name", "kind", "link"),
    [
        ("../evil", tarfile.REGTYPE, ""),
        ("a/../../evil", tarfile.REGTYPE, ""),
        ("h", tarfile.LNKTYPE, "../../etc/passwd"),
        ("h", tarfile.LNKTYPE, "/etc/shadow"),
        (".wh.etc", tarfile.REGTYPE, ""),
    ],
)
def test_hostile_archives(kitchen: Kitchen, name: str, kind: bytes, link: str) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("fine"))
        info = tarfile.TarInfo(name)
        info.type, info.linkname = kind, link
        tar.addfile(info)
    kitchen.write({"a.tar": data.getvalue()})
    with pytest.raises(DockerfileError, match=r"a\.tar|\.wh\."):
        kitchen.build("FROM scratch\nADD a.tar /x/\n")
    assert not (kitchen.folder / "evil").exists()


def test_a_truncated_archive(kitchen: Kitchen) -> None:
    kitchen.write({"a.tar": archive(one=b"x" * 2000, two=b"y" * 2000)[:4000]})
    with pytest.raises(DockerfileError, match=r"cannot unpack a\.tar"):
        kitchen.build("FROM scratch\nADD a.tar /x/\n")

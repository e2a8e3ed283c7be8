"""COPY and ADD --chmod and --chown: octal and symbolic modes, numbers and names, on every kind of source."""

from __future__ import annotations

import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest

from lamina.dockerfile import DockerfileError
from lamina.graph.chmod import parse_mode

if TYPE_CHECKING:
    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def pantry(kitchen: Kitchen) -> Kitchen:
    kitchen.write({"m/plain": "p", "m/run": "r", "m/s/x": "x"})
    for name, mode in (("plain", 0o640), ("run", 0o750), ("s", 0o700), ("s/x", 0o600)):
        (kitchen.context / "m" / name).chmod(mode)
    os.symlink("plain", kitchen.context / "m/link")
    return kitchen


def modes(kitchen: Kitchen, result_of: str) -> dict[str, str]:
    """The mode of what an instruction puts below /m."""
    shown = kitchen.listing(kitchen.build(f"FROM scratch\n{result_of}\n").image_id, "m")
    return {name: what.split()[1] for name, what in shown.items()}


@pytest.mark.parametrize(
    ("mode", "plain", "run", "folder"),
    [
        ("755", "755", "755", "755"),
        ("0644", "644", "644", "644"),
        ("4711", "4711", "4711", "4711"),
        ("1777", "1777", "1777", "1777"),
        ("0", "0", "0", "0"),
        ("u=rwX,go=rX", "644", "755", "755"),
        ("+x", "751", "751", "711"),
        ("a+X", "640", "751", "711"),
        ("g=u", "660", "770", "770"),
        ("go=", "600", "700", "700"),
        ("o+r,u-w", "444", "554", "504"),
        ("ug+s,+t", "7640", "7750", "7700"),
        ("=r", "444", "444", "444"),
        ("u+rwx,g+rx,o-rwx", "750", "750", "750"),
    ],
)
def test_modes_of_a_tree(pantry: Kitchen, mode: str, plain: str, run: str, folder: str) -> None:
    shown = modes(pantry, f"COPY --chmod={mode} m /m")
    assert (shown["plain"], shown["run"], shown["s"]) == (plain, run, folder)
    assert shown["link"] == "777", "links have no mode"
    assert modes(pantry, f"ADD --chmod={mode} m /m") == shown


@pytest.mark.parametrize(
    ("text", "before", "folder", "after"),
    [
        ("u=rw,go=rX", 0o700, False, 0o655),  # X: the mode that it had
        ("u=rw,go=rX", 0o600, False, 0o644),
        ("g=u", 0o2750, False, 0o2770),
        ("g=", 0o2750, True, 0o700),
        ("o+s", 0o755, False, 0o755),
        ("o+t", 0o755, True, 0o755),
        ("u+t", 0o755, True, 0o1755),
        ("=t", 0o1755, True, 0o1000),
        ("=r", 0o1755, True, 0o1444),
        ("-t", 0o1755, True, 0o755),
        ("s", 0, False, -1),
        ("u+x-w", 0o600, False, 0o500),
        ("ug=o", 0o705, False, 0o555),
        ("a-rwxst", 0o7777, False, 0),
        ("+", 0o640, False, 0o640),
        ("=", 0o6755, True, 0),
    ],
)
def test_symbolic_modes(text: str, before: int, folder: bool, after: int) -> None:
    if after < 0:
        with pytest.raises(ValueError, match="invalid chmod parameter"):
            parse_mode(text)
    else:
        assert oct(parse_mode(text).apply(before, folder)) == oct(after)


def test_folders_on_the_way_take_an_octal_mode(pantry: Kitchen) -> None:
    result = pantry.build(
        "FROM busybox\nCOPY --chmod=750 --chown=5:6 m/run /n/o/run\nCOPY --chmod=4711 m/run /p/\n"
        "COPY --chmod=u+s m/run /q/\nCOPY --chmod=700 m/run /tmp/\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["n"], shown["n/o"], shown["n/o/run"]) == ("d 750 5:6", "d 750 5:6", "f 750 5:6")
    assert (shown["p"], shown["p/run"]) == ("d 711 0:0", "f 4711 0:0")
    assert (shown["q"], shown["q/run"]) == ("d 755 0:0", "f 4750 0:0")
    assert shown["tmp"] == "d 1777 0:0", "what is there stays as it is"


def test_variables(pantry: Kitchen) -> None:
    assert modes(pantry, "ARG M=u=rwX\nENV N=,go=\nCOPY --chmod=$M$N m /m")["plain"] == "600"
    with pytest.raises(DockerfileError, match="invalid chmod parameter: 'x9'"):
        pantry.build("FROM scratch\nARG M=x9\nCOPY --chmod=$M m /m\n")


@pytest.mark.parametrize("mode", ["999", "10000", "u", "u+", "u+xx,", "rwx", "0o755", "-1", "u+z", "755x"])
def test_bad_modes(pantry: Kitchen, mode: str) -> None:
    if mode == "u+":
        assert modes(pantry, f"COPY --chmod={mode} m /m")["plain"] == "640"
        return
    with pytest.raises(DockerfileError, match="invalid chmod parameter") as caught:
        pantry.build(f"FROM scratch\nCOPY --chmod={mode} m /m\n")
    assert caught.value.line == 2


def test_documents(pantry: Kitchen) -> None:
    result = pantry.build("FROM busybox\nCOPY --chmod=u+x,go= --chown=worker:9 <<run /\ntrue\nrun\n")
    assert pantry.listing(result.image_id)["run"] == "f 700 1234:9"


def test_archives_keep_their_modes(pantry: Kitchen) -> None:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        info = tarfile.TarInfo("in/x")
        info.mode, info.uid = 0o4711, 7
        tar.addfile(info)
    pantry.write({"a.tar": data.getvalue()})
    result = pantry.build("FROM scratch\nADD --chmod=600 a.tar /o\n")
    assert pantry.listing(result.image_id) == {"o": "d 755 0:0", "o/in": "d 755 0:0", "o/in/x": "f 4711 7:0"}


def test_from_a_stage_the_source_keeps_its_owner(pantry: Kitchen, many_ids: None) -> None:
    result = pantry.build(
        "FROM busybox AS a\nRUN mkdir /d && touch /d/x && chown -R 7:8 /d && chmod 6755 /d/x\n"
        "FROM busybox\nCOPY --from=a --chmod=g-s /d /one\nCOPY --from=a --chown=worker /d /two\n"
    )
    shown = pantry.listing(result.image_id)
    assert (shown["one"], shown["one/x"]) == ("d 755 0:0", "f 4755 7:8")
    assert (shown["two"], shown["two/x"]) == ("d 755 1234:4321", "f 6755 1234:4321")


@pytest.mark.parametrize(
    ("chown", "owner"),
    [
        ("7", "7:7"),
        ("7:8", "7:8"),
        (":8", "0:8"),
        ("0:workers", "0:4321"),
        ("worker:0", "1234:0"),
        ("4294967294", "4294967294:4294967294"),
        ("$U:$G", "1234:50"),
    ],
)
def test_owners(pantry: Kitchen, chown: str, owner: str) -> None:
    result = pantry.build(f"FROM busybox\nARG U=worker\nENV G=staff\nCOPY --chown={chown} m /n/m\n")
    shown = pantry.listing(result.image_id)
    assert {shown[name].split()[2] for name in ("n", "n/m", "n/m/plain", "n/m/s", "n/m/link")} == {owner}


@pytest.mark.parametrize("chown", ["nobody-here", "worker:nobody-here", "worker:9:9"])
def test_unknown_owners(pantry: Kitchen, chown: str) -> None:
    with pytest.raises(DockerfileError, match=r"unknown (user|group)"):
        pantry.build(f"FROM busybox\nCOPY --chown={chown} m /m\n")
    with pytest.raises(DockerfileError, match="unknown user"):
        pantry.build("FROM scratch\nCOPY --chown=worker m /m\n")


def test_folders_made_in_a_setgid_folder_are_its_groups(pantry: Kitchen, many_ids: None) -> None:
    result = pantry.build(
        "FROM busybox\nRUN mkdir /g && chown 5:6 /g && chmod 2777 /g\n"
        "COPY m/run /g/a/b/\nCOPY --chown=7:8 --chmod=700 m/run /g/c/\nCOPY m /g/d\nWORKDIR /g/w\n"
    )
    shown = pantry.listing(result.image_id, "g")
    assert (shown["a"], shown["a/b"], shown["a/b/run"]) == ("d 2755 0:6", "d 2755 0:6", "f 750 0:0")
    assert (shown["c"], shown["c/run"]) == ("d 2700 7:8", "f 700 7:8")
    assert (shown["d"], shown["d/s"]) == ("d 2755 0:6", "d 700 0:0"), "what is copied is as it was"
    assert shown["w"] == "d 2755 0:6"

"""What BuildKit's own tests build: the same scenarios, in Dockerfiles of our own, with the same results.

A case is named after what it shows. Its RUN steps test what they find: a build that ends is a result as it
should be. What BuildKit refuses is in tests/e2e/test_build_errors.py.
"""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from .scenarios import ARGUMENTS, COPYING, HEREDOCS, RUNNING, TRIGGERS

if TYPE_CHECKING:
    from .kitchen import Kitchen
    from .scenarios import Case

pytestmark = pytest.mark.timeout(120)


MANY_IDS = ("owners", "users by", "working directory")


def try_out(kitchen: Kitchen, case: Case) -> None:
    """Builds a case, and looks for its files."""
    kitchen.write(case.files)
    result = kitchen.build(case.dockerfile, **case.options)
    for path, content in case.holds.items():
        assert kitchen.read(result.image_id, path) == content, path
    listed = kitchen.listing(result.image_id) if case.lacks else {}
    assert not set(case.lacks) & set(listed)


@pytest.mark.parametrize("name", COPYING)
def test_copying(kitchen: Kitchen, name: str) -> None:
    try_out(kitchen, COPYING[name])


@pytest.mark.parametrize("name", ARGUMENTS)
def test_arguments(kitchen: Kitchen, name: str) -> None:
    try_out(kitchen, ARGUMENTS[name])


@pytest.mark.parametrize("name", [name for name in RUNNING if not any(word in name for word in MANY_IDS)])
def test_running(kitchen: Kitchen, name: str) -> None:
    try_out(kitchen, RUNNING[name])


@pytest.mark.parametrize("name", [name for name in RUNNING if any(word in name for word in MANY_IDS)])
def test_owners(kitchen: Kitchen, many_ids: None, name: str) -> None:
    try_out(kitchen, RUNNING[name])


@pytest.mark.parametrize("name", HEREDOCS)
def test_heredocs(kitchen: Kitchen, name: str) -> None:
    try_out(kitchen, HEREDOCS[name])


@pytest.mark.parametrize("name", TRIGGERS)
def test_triggers_of_a_stage(kitchen: Kitchen, name: str) -> None:
    try_out(kitchen, TRIGGERS[name])


# --- links and special files of a context


def test_copying_through_links_of_the_context(kitchen: Kitchen) -> None:
    kitchen.write(
        {"sub/foo": "contents", "bar": "bar-contents", "sub/lfile": "l", "sub/subfile": "s", "sub/baz": "z"}
    )
    for link, to in {
        "link": "sub",
        "foo": "bar",
        "sub/l0": "subfile",
        "sub/l1": "second",
        "sub/second": "baz",
    }.items():
        os.symlink(to, kitchen.context / link)
    image = kitchen.build("FROM scratch\nCOPY link/foo through\nCOPY foo /\nCOPY sub/l* alllinks/\n").image_id
    assert kitchen.read(image, "through") == "contents"
    assert kitchen.read(image, "foo") == "bar-contents"
    found = {name: kitchen.read(image, f"alllinks/{name}") for name in ("l0", "l1", "lfile")}
    assert found == {"l0": "s", "l1": "z", "lfile": "l"}
    assert not any("->" in shown for shown in kitchen.listing(image).values())


def test_a_link_that_leads_to_the_context_s_root(kitchen: Kitchen) -> None:
    kitchen.write({"bar": "bar-contents", "foo/x": "x"})
    os.symlink("../bar", kitchen.context / "foo/sub")
    image = kitchen.build("FROM scratch\nCOPY foo /\nCOPY foo/sub bar\n").image_id
    assert kitchen.read(image, "bar") == "bar-contents"
    assert kitchen.listing(image)["sub"].endswith("-> ../bar")


def test_a_socket_becomes_an_empty_file(kitchen: Kitchen) -> None:
    here = os.getcwd()
    os.chdir(kitchen.context)  # the path of a socket may have 107 bytes only
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind("s")
        os.chdir(here)
        os.chmod(kitchen.context / "s", 0o600)
        image = kitchen.build("FROM scratch\nCOPY . /\nCOPY s /named\n").image_id
    assert kitchen.listing(image)["s"].startswith("f 600") and kitchen.read(image, "s") == ""
    assert kitchen.read(image, "named") == ""


def test_a_folder_of_the_context_becomes_a_file(kitchen: Kitchen) -> None:
    text = "FROM scratch\nCOPY foo /\n"
    kitchen.write({"foo/bar": "contents"})
    kitchen.build(text)
    (kitchen.context / "foo/bar").unlink()
    (kitchen.context / "foo").rmdir()
    kitchen.write({"foo": "contents2"})
    assert kitchen.read(kitchen.build(text).image_id, "foo") == "contents2"


# --- what counts in the cache


def test_files_that_a_wildcard_matches_count_and_others_do_not(kitchen: Kitchen) -> None:
    unique = "cat /proc/sys/kernel/random/uuid > unique"
    text = f"FROM busybox AS base\nCOPY foo* files/\nRUN {unique}\nCOPY bar files/\n"
    kitchen.write({"foo1": "1", "foo2": "2", "bar": "b"})
    first = kitchen.read(kitchen.build(text).image_id, "unique")
    kitchen.write({"bar": "changed"})
    assert kitchen.read(kitchen.build(text).image_id, "unique") == first
    kitchen.write({"foo2": "changed"})
    assert kitchen.read(kitchen.build(text).image_id, "unique") != first


def test_proxies_reach_a_run_and_do_not_count(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\nARG FOO\nARG BAR\nARG BAZ=bazcontent\n"
        "RUN echo -n $HTTP_PROXY::$NO_PROXY::$FOO::$BAR::$BAZ > /out\n"
    )

    def out(**build_args: str) -> str:
        return kitchen.read(kitchen.build(text, build_args=build_args).image_id, "out")

    given = {"FOO": "foocontents", "http_proxy": "hpvalue", "NO_PROXY": "npvalue"}
    assert out(**given) == "hpvalue::npvalue::foocontents::::bazcontent"
    assert out(FOO="foocontents", http_proxy="hpvalue2") == "hpvalue::npvalue::foocontents::::bazcontent"
    assert out(FOO="foocontents2", http_proxy="hpvalue2") == "hpvalue2::::foocontents2::::bazcontent"


def test_a_mount_that_is_written_to_counts_by_its_content(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS build\nCOPY cachebust /\nRUN mkdir out && echo foo > out/foo\n"
        "FROM busybox\nRUN --mount=from=build,src=out,target=/out,rw "
        "touch /out/bar && cat /proc/sys/kernel/random/uuid > /unique\n"
    )
    kitchen.write({"cachebust": "0"})
    first = kitchen.read(kitchen.build(text).image_id, "unique")
    kitchen.write({"cachebust": "1"})
    assert kitchen.read(kitchen.build(text).image_id, "unique") == first


# --- the config


def test_an_entrypoint_drops_the_command_of_the_base(kitchen: Kitchen) -> None:
    kitchen.build('FROM scratch\nCMD ["test"]\n', tags=("base",))
    image = kitchen.build('FROM base\nSHELL ["ls"]\nENTRYPOINT my entrypoint\n').image_id
    config = kitchen.config(image).config
    assert (config.cmd or (), config.entrypoint) == ((), ("ls", "my entrypoint"))


def test_the_shell_and_the_path_of_scratch(kitchen: Kitchen) -> None:
    config = kitchen.config(kitchen.build("FROM scratch\nENTRYPOINT foo bar\n").image_id).config
    assert config.entrypoint == ("/bin/sh", "-c", "foo bar")
    assert config.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)


def test_json_that_is_none_is_a_text(kitchen: Kitchen) -> None:
    config = kitchen.config(kitchen.build("FROM scratch\nENTRYPOINT []random string\n").image_id).config
    assert config.entrypoint == ("/bin/sh", "-c", "[]random string")


def test_ports_of_a_variable_are_several(kitchen: Kitchen) -> None:
    text = 'FROM scratch\nARG PORTS="3000 4000/udp"\nEXPOSE $PORTS\nEXPOSE 5000\n'
    ports = kitchen.config(kitchen.build(text).image_id).config.exposed_ports
    assert sorted(ports) == ["3000/tcp", "4000/udp", "5000/tcp"]


def test_labels_of_the_build_join_those_of_the_file(kitchen: Kitchen) -> None:
    image = kitchen.build("FROM scratch\nLABEL foo=bar\n", labels={"bar": "baz"}).image_id
    assert kitchen.config(image).config.labels == {"foo": "bar", "bar": "baz"}


def test_a_user_is_in_the_config(kitchen: Kitchen) -> None:
    assert kitchen.config(kitchen.build("FROM scratch\nUSER nobody\n").image_id).config.user == "nobody"


def test_the_history_has_every_instruction(kitchen: Kitchen) -> None:
    text = 'FROM busybox\nENV foo=bar\nCOPY foo /foo2\nARG x=1\nWORKDIR /w\nRUN echo "bar" > foo4\n'
    text += 'CMD ["a", "b"]\n'
    kitchen.write({"foo": "x"})
    lines = kitchen.config(kitchen.build(text).image_id).history[1:]
    assert [(line.created_by, line.empty_layer) for line in lines] == [
        ("ENV foo=bar", True),
        ("COPY foo /foo2", False),
        ("ARG x=1", True),
        ("WORKDIR /w", False),
        ('RUN |1 x=1 /bin/sh -c echo "bar" > foo4', False),
        ('CMD ["a" "b"]', True),
    ]


def test_a_working_directory_is_made(kitchen: Kitchen) -> None:
    image = kitchen.build("FROM scratch\nWORKDIR /foo\nWORKDIR /\n").image_id
    assert kitchen.listing(image) == {"foo": "d 755 0:0"}
    assert kitchen.config(image).config.working_dir == "/"


# --- ONBUILD of images


def test_triggers_of_an_image_are_cleared_in_its_child(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nONBUILD RUN mkdir -p /out && echo -n 11 >> /out/foo\n", tags=("base",))
    child = kitchen.build("FROM base\n", tags=("child",)).image_id
    assert kitchen.config(child).config.on_build == ()
    image = kitchen.build("FROM child AS base\nFROM scratch\nCOPY --from=base /out /\n").image_id
    assert kitchen.read(image, "foo") == "11"


def test_triggers_of_an_image_run_once_for_the_stages_of_a_stage(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nONBUILD RUN mkdir -p /out && echo -n yes >> /out/didrun\n", tags=("onb",))
    kitchen.build(
        "FROM onb AS base\nRUN [ -f /out/didrun ] && rm /out/didrun\nFROM base AS child\n"
        "RUN [ ! -f /out/didrun ]\n"
    )


def test_triggers_that_name_another_image_and_a_stage(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN echo -n 3.99 > /release\n", tags=("alpine",))
    kitchen.build("FROM busybox\nONBUILD COPY --from=alpine /release /out/release2\n", tags=("one",))
    kitchen.build(
        "FROM alpine\nONBUILD RUN --mount=type=bind,target=/in,from=inputstage "
        "mkdir /out && cat /in/foo > /out/bar && cat /in/out/release2 > /out/bar2\n",
        tags=("two",),
    )
    image = kitchen.build(
        "FROM one AS inputstage\nRUN echo -n foo > /foo\nFROM two AS base\nFROM scratch\n"
        "COPY --from=base /out /\n"
    ).image_id
    assert (kitchen.read(image, "bar"), kitchen.read(image, "bar2")) == ("foo", "3.99")


def test_triggers_of_a_further_context_that_is_an_image(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nONBUILD COPY --from=otherstage /testfile /out/foo\n", tags=("onb",))
    image = kitchen.build(
        "FROM busybox AS otherstage\nRUN echo -n hello > /testfile\nFROM base AS inputstage\n"
        "FROM scratch\nCOPY --from=inputstage /out/foo /bar\n",
        contexts={"base": "docker-image://onb"},
    ).image_id
    assert kitchen.read(image, "bar") == "hello"

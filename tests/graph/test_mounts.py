"""RUN --mount in the graph: what each type becomes, its defaults, its sources, and its place in a plan."""

from __future__ import annotations

from functools import partial

import pytest

from lamina.dockerfile import DockerfileError, parse
from lamina.dockerfile.mounts import BadMount
from lamina.graph import stages
from lamina.graph.ingredients import Picked, run_key
from lamina.graph.mounts import Content, content_of, content_of_layers, mount_parts
from lamina.graph.ops import RunMount, RunOp
from lamina.graph.runs import check_allowed
from lamina.tree.entry import Entry, Kind

from .builder import HOST, op_of, plan, play


def mounts_of(*lines: str, **build_args: str) -> tuple[RunMount, ...]:
    op = op_of(*lines, **build_args)
    assert isinstance(op, RunOp)
    return op.mounts


def one(*lines: str, **build_args: str) -> RunMount:
    (mount,) = mounts_of(*lines, **build_args)
    return mount


def test_bind() -> None:
    assert one("RUN --mount=target=/a x") == RunMount("bind", "/a", read_only=True)
    assert one("RUN --mount=source=/s/../t,target=/a/../b,rw x") == RunMount("bind", "/b", "t")
    assert one("RUN --mount=from=other,target=/a x").image == "other"
    assert one("WORKDIR /w", "RUN --mount=target=a x").target == "/w/a"
    assert one("WORKDIR /w", "RUN --mount=source=a x").target == "/w"


def test_bind_of_a_stage() -> None:
    _, _, ops = play("FROM base AS a\nFROM base\nRUN --mount=from=A,target=/x --mount=from=0,target=/y z\n")
    assert [mount.stage for mount in ops[-1].mounts] == [0, 0]  # type: ignore[union-attr]


def test_cache() -> None:
    expected = RunMount("cache", "/c", image="scratch", id="/c")
    assert one("RUN --mount=type=cache,target=/c x") == expected
    assert one("RUN --mount=type=cache,target=/a/../c x").id == "/c"
    assert one("WORKDIR /w", "RUN --mount=type=cache,target=./c/ x")[:2] == ("cache", "/w/c")
    assert one("WORKDIR /w", "RUN --mount=type=cache,target=./c/ x").id == "c"
    full = one(
        "RUN --mount=type=cache,target=/c,id=i,sharing=private,from=f,source=s,mode=0700,uid=1,gid=2,ro x"
    )
    assert full == RunMount("cache", "/c", "s", None, "f", "", True, "i", "private", 0o700, 1, 2)


def test_tmpfs() -> None:
    assert one("RUN --mount=type=tmpfs,target=/t,size=2k x") == RunMount("tmpfs", "/t", size=2048)
    assert one("RUN --mount=type=tmpfs,target=/t,from=nothing x") == RunMount("tmpfs", "/t")


def test_secret() -> None:
    expected = RunMount("secret", "/run/secrets/k", read_only=True, id="k", mode=0o400, uid=0, gid=0)
    assert one("RUN --mount=type=secret,id=k x") == expected
    assert one("RUN --mount=type=secret,id=a/k x").target == "/run/secrets/k"
    assert one("RUN --mount=type=secret,target=/etc/k x").id == "k"
    assert one("RUN --mount=type=secret,source=k x").id == "k"
    only_variable = one("RUN --mount=type=secret,id=k,env=K,required x")
    assert (only_variable.target, only_variable.env, only_variable.required) == ("", "K", True)
    assert one("RUN --mount=type=secret,id=k,env=K,target=/k x").target == "/k"


def test_ssh() -> None:
    expected = RunMount(
        "ssh", "/run/buildkit/ssh_agent.0", read_only=True, id="default", mode=0o600, uid=0, gid=0
    )
    assert one("RUN --mount=type=ssh x") == expected
    two = mounts_of("RUN --mount=type=ssh,target=/s --mount=type=tmpfs,target=/t --mount=type=ssh,id=b x")
    assert [mount.target for mount in two] == ["/s", "/t", "/run/buildkit/ssh_agent.1"]


def test_the_variable_of_an_agent() -> None:
    def env(*lines: str) -> dict[str, str]:
        op = op_of(*lines)
        assert isinstance(op, RunOp)
        return {name: value for name, value, _ in op.env}

    assert env("RUN --mount=type=ssh --mount=type=ssh x")["SSH_AUTH_SOCK"] == "/run/buildkit/ssh_agent.0"
    assert env("ENV SSH_AUTH_SOCK=/mine", "RUN --mount=type=ssh x")["SSH_AUTH_SOCK"] == "/mine"
    assert "SSH_AUTH_SOCK" not in env("RUN --mount=type=tmpfs,target=/t x")


def test_variables() -> None:
    lines = ("ARG kind", "ENV at=/x size=3", "RUN --mount=type=${kind},target=$at,size=${size}k y")
    assert one(*lines, kind="tmpfs") == RunMount("tmpfs", "/x", size=3072)


@pytest.mark.parametrize(
    ("line", "message", "at"),
    [
        ("RUN --mount=target=/ x", 'invalid mount target "/"', "--mount"),
        ("RUN --mount=source=a x", 'invalid mount target "/"', "--mount"),
        ("RUN --mount=type=tmpfs,target=/a/.. x", 'invalid mount target "/"', "--mount"),
        ("RUN --mount=type=tmpfs,target=/a,size=$none x", "invalid value for size: ", "size=$none"),
    ],
)
def test_errors(line: str, message: str, at: str) -> None:
    with pytest.raises(BadMount) as caught:
        op_of(line)
    assert (caught.value.message, caught.value.at) == (message, at)


def test_a_mount_makes_a_stage_needed() -> None:
    whole = plan(
        "FROM a AS x\nFROM a AS y\nFROM a AS z\nFROM a\nRUN --mount=target=/m,from=x "
        '--mount=\\"from=z\\",target=/n m\n'
    )
    assert stages.needed(whole) == (0, 2, 3)
    assert stages.needed(plan("FROM a AS x\nFROM a\nRUN --mount=type=tmpfs,from=x,target=/m m\n")) == (1,)


def test_a_mount_from_its_own_or_a_later_stage() -> None:
    for name, message in (("me", "circular dependency"), ("later", "needs to be defined before")):
        whole = plan(f"FROM a AS me\nRUN --mount=from={name},target=/m m\nFROM a AS later\nFROM me\n")
        with pytest.raises(DockerfileError, match=message):
            stages.needed(whole)


def test_security_needs_allow() -> None:
    dockerfile = parse(b"FROM a\nRUN x\nRUN --security=insecure y\n")
    check = partial(check_allowed, dockerfile, dockerfile.instructions)
    check(frozenset({"security.insecure"}))
    with pytest.raises(DockerfileError, match=r"security\.insecure is not allowed") as caught:
        check(frozenset({"network.host"}))
    assert (caught.value.line, caught.value.column) == (3, 5)


@pytest.mark.parametrize("line", ["RUN --device=gpu y", "ONBUILD RUN --device=gpu y"])
def test_devices_are_refused(line: str) -> None:
    dockerfile = parse(f"FROM a\nRUN fine\n{line}\n".encode())
    with pytest.raises(DockerfileError, match="RUN --device is not supported") as caught:
        check_allowed(dockerfile, dockerfile.instructions, frozenset())
    assert (caught.value.line, caught.value.column) == (3, 1 + line.index("--device"))


# --- keys --------------------------------------------------------------------------------------


def key_of(line: str, *contents: Content | None) -> str:
    op = op_of(line)
    assert isinstance(op, RunOp)
    return run_key(op, "parent", HOST, (), mount_parts(op.mounts, contents or [None] * len(op.mounts))).digest


def picked(*entries: Entry) -> Picked:
    return Picked(b"name", b"where/name", entries)


FILE = Entry(b"", Kind.FILE, 0o644, size=1, mtime=5, digest="aa")
FOLDER = Entry(b"", Kind.DIR, 0o755)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FILE, True),
        (FILE._replace(mtime=6), True),
        (FILE._replace(digest="bb"), False),
        (FILE._replace(mode=0o755), False),
        (FILE._replace(uid=1), False),
    ],
)
def test_the_content_of_a_file_counts(other: Entry, same: bool) -> None:
    mount = one("RUN --mount=source=x,target=/m y")
    assert (content_of(mount, picked(FILE)).text == content_of(mount, picked(other)).text) is same
    moved = content_of(mount._replace(source="elsewhere"), picked(FILE)._replace(name=b"n", path=b"n"))
    assert moved.text == content_of(mount, picked(FILE)).text


def test_the_names_in_a_folder_count() -> None:
    mount = one("RUN --mount=target=/m y")
    inner = FILE._replace(path=b"a")
    found = content_of(mount, picked(FOLDER, inner))
    assert found.text != content_of(mount, picked(FOLDER, inner._replace(path=b"b"))).text
    assert found.text != content_of(mount, picked(FOLDER._replace(mode=0o700), inner)).text
    assert [line.label for line in found.listing] == ["file .", "file a"]


def test_the_quick_key_counts_layers_and_path() -> None:
    mount = one("RUN --mount=from=x,source=a,target=/m y")
    assert content_of_layers(mount, "1") != content_of_layers(mount, "2")
    assert content_of_layers(mount, "1") != content_of_layers(mount._replace(source="b"), "1")


@pytest.mark.parametrize(
    ("one_line", "other"),
    [
        ("RUN --mount=type=secret,id=a x", "RUN x"),
        ("RUN --mount=type=secret,id=a x", "RUN --mount=type=secret,id=b,target=/run/secrets/a x"),
        ("RUN --mount=type=secret,id=a,env=A x", "RUN --mount=type=secret,id=a,env=B x"),
        ("RUN --mount=type=secret,id=a x", "RUN --mount=type=secret,id=a,required x"),
        ("RUN --mount=type=ssh x", "RUN --mount=type=ssh,mode=666 x"),
        ("RUN --mount=type=cache,target=/a x", "RUN --mount=type=cache,target=/b,id=/a x"),
        ("RUN --mount=type=cache,target=/a x", "RUN --mount=type=cache,target=/a,uid=1 x"),
        ("RUN --security=insecure x", "RUN x"),
        (
            "RUN --mount=type=tmpfs,target=/a --mount=type=tmpfs,target=/b x",
            "RUN --mount=type=tmpfs,target=/a x",
        ),
    ],
)
def test_what_counts(one_line: str, other: str) -> None:
    assert key_of(one_line) != key_of(other)


@pytest.mark.parametrize(
    ("one_line", "other"),
    [
        ("RUN --mount=type=cache,target=/a x", "RUN --mount=type=cache,target=/a,id=i,sharing=locked x"),
        ("RUN --mount=type=secret,target=/a,id=k x", "RUN --mount=type=secret,dst=/a,source=k,mode=400 x"),
        ("RUN --mount=source=a,target=/m x", "RUN --mount=source=b,target=/m x"),
        ("RUN --security=sandbox x", "RUN x"),
    ],
)
def test_what_does_not_count(one_line: str, other: str) -> None:
    assert key_of(one_line) == key_of(other)

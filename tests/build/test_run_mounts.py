"""RUN --mount end to end: what the process sees, what stays of it, and what counts in the cache."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.agents import Agents, connect
from lamina.build.build import build
from lamina.build.errors import BuildFailed
from lamina.build.forwarding import forwarded
from lamina.build.given import Secret, SshForward, Ulimit
from lamina.build.request import BuildRequest
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError
from lamina.events import StepOutput
from lamina.graph.runs import INSECURE

from .kitchen import HOST
from .test_run import leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.mount.userns import IdMap

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)

STAGES = """FROM busybox AS made
RUN mkdir -p /out/deep && echo one > /out/one && echo two > /out/deep/two && ln -s one /out/link \
    && ln -s /out/deep /shortcut && chmod 700 /out/deep && chown 7:8 /out/deep/two
FROM busybox
"""


@pytest.fixture(params=["overlay", "native"])
def either(request: pytest.FixtureRequest, kitchen: Kitchen) -> Kitchen:
    """The kitchen with each snapshotter."""
    kitchen.snapshotter = request.param
    return kitchen


def shown(kitchen: Kitchen, dockerfile: str, **options: object) -> str:
    """What the processes of a build wrote."""
    kitchen.build(dockerfile, **options)
    assert leftovers(kitchen) == []
    return kitchen.output


# --- bind --------------------------------------------------------------------------------------


def test_bind_is_the_type_without_a_type(kitchen: Kitchen) -> None:
    kitchen.write({"a": "content"})
    assert shown(kitchen, "FROM busybox\nRUN --mount=target=/m cat /m/a\n") == "content"


def test_bind_from_a_stage(either: Kitchen) -> None:
    text = STAGES + "RUN --mount=type=bind,from=made,target=/m cat /m/out/link /m/out/deep/two\n"
    assert shown(either, text) == "one\ntwo\n"


def test_bind_from_an_image(either: Kitchen) -> None:
    either.add_image(
        "other", either.config(either.tag("docker.io/library/busybox:latest")).config, {"x/y": b"z"}
    )
    assert shown(either, "FROM busybox\nRUN --mount=from=other,target=/m cat /m/x/y\n") == "z"


def test_bind_from_scratch_is_empty(either: Kitchen) -> None:
    assert shown(either, "FROM busybox\nRUN --mount=from=scratch,target=/m ls -A /m | wc -l\n") == "0\n"


def test_bind_from_the_context(either: Kitchen) -> None:
    either.write({"src/a": "A", "src/b/c": "C", "src/skip": "no", ".dockerignore": "**/skip\n"})
    (either.context / "src/b").chmod(0o750)
    text = "FROM busybox\nRUN --mount=type=bind,source=src,target=/m cat /m/a /m/b/c; ls /m; stat -c '%u:%g %a' /m/b\n"
    assert shown(either, text) == "ACa\nb\n0:0 750\n"


def test_bind_source_is_a_file(either: Kitchen) -> None:
    either.write({"d/requirements.txt": "flask\n"})
    text = "FROM busybox\nRUN --mount=source=d/requirements.txt,target=/tmp/r.txt cat /tmp/r.txt; test ! -d /tmp/r.txt\n"
    assert shown(either, text) == "flask\n"
    text = STAGES + "RUN --mount=from=made,src=/out/deep/two,dst=/two cat /two\n"
    assert shown(either, text) == "two\n"


def test_bind_source_follows_links_inside_the_root(either: Kitchen) -> None:
    either.write({"real/a": "A"})
    (either.context / "link").symlink_to("/real")
    text = "FROM busybox\nRUN --mount=source=link,target=/m cat /m/a\n"
    assert shown(either, text) == "A"
    text = STAGES + "RUN --mount=from=made,source=shortcut,target=/m cat /m/two\n"
    assert shown(either, text) == "two\n"
    text = "FROM busybox AS evil\nRUN ln -s ../../../../etc /e && echo mine > /etc/own\nFROM busybox\n"
    assert shown(either, text + "RUN --mount=from=evil,source=/e/own,target=/m cat /m\n") == "mine\n"


def test_bind_source_never_leads_out_of_the_root(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    assert shown(kitchen, "FROM busybox\nRUN --mount=source=../../a,target=/m cat /m\n") == "A"
    (kitchen.context / "out").symlink_to("/etc/hostname")
    with pytest.raises(DockerfileError, match='"/out": not found in the build context'):
        kitchen.build("FROM busybox\nRUN --mount=source=out,target=/m cat /m\n")


def test_bind_source_that_is_not_there(kitchen: Kitchen) -> None:
    for line, message in (
        ("RUN --mount=source=nope,target=/m true", '"/nope": not found in the build context'),
        ("RUN --mount=from=made,source=nope,target=/m true", '"/nope": not found in stage made'),
        ("RUN --mount=from=busybox,source=nope,target=/m true", '"/nope": not found in image busybox'),
    ):
        with pytest.raises(DockerfileError, match=message) as caught:
            kitchen.build(STAGES + line + "\n")
        assert caught.value.source[caught.value.column - 1 :].startswith("source=nope")
        assert "--mount" in caught.value.source
    assert leftovers(kitchen) == []


def test_bind_source_that_dockerignore_leaves_out(kitchen: Kitchen) -> None:
    kitchen.write({"secret": "x", ".dockerignore": "secret\n"})
    with pytest.raises(DockerfileError, match="excluded from the build context by .dockerignore"):
        kitchen.build("FROM busybox\nRUN --mount=source=secret,target=/m true\n")


def test_bind_is_read_only(either: Kitchen) -> None:
    either.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m --mount=from=made,target=/n ! touch /m/x && ! touch /n/x && ! rm /m/a && echo ok\n"
    )
    assert "ok\n" in shown(either, text)


@pytest.mark.parametrize("word", ["rw", "readwrite", "rw=true", "readwrite=1", "ro=false", "readonly=0"])
def test_bind_rw_is_seen_and_discarded(kitchen: Kitchen, word: str) -> None:
    kitchen.write({"a": "A"})
    text = (
        f"FROM busybox\nRUN --mount=target=/m,{word} echo new > /m/x && rm /m/a && ls /m\n"
        "RUN --mount=target=/m ls /m\n"
    )
    assert shown(kitchen, text) == "x\na\n"
    assert (kitchen.context / "a").read_text() == "A"
    assert not (kitchen.context / "x").exists()


def test_bind_rw_of_a_stage_is_discarded(either: Kitchen) -> None:
    text = STAGES + (
        "RUN --mount=from=made,source=/out,target=/m,rw echo 3 > /m/one && rm -r /m/deep && ls /m\n"
        "RUN --mount=from=made,source=/out,target=/m cat /m/one && ls /m\n"
    )
    assert shown(either, text) == "link\none\none\ndeep\nlink\none\n"


@pytest.mark.parametrize("word", ["ro", "readonly", "ro=1", "readonly=true", "rw=false"])
def test_readonly_can_be_said(kitchen: Kitchen, word: str) -> None:
    text = f"FROM busybox\nRUN --mount=target=/m,{word} touch /m/x || echo refused\n"
    assert shown(kitchen, text).endswith("refused\n")


def test_target_is_relative_to_the_working_directory(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    text = "FROM busybox\nWORKDIR /w\nRUN --mount=target=in/here cat /w/in/here/a\n"
    assert shown(kitchen, text) == "A"
    assert shown(kitchen, "FROM busybox\nWORKDIR /w\nRUN --mount=type=bind,source=. cat a /w/a\n") == "AA"


def test_variables_in_mount_options(kitchen: Kitchen) -> None:
    kitchen.write({"one/a": "1", "two/a": "2"})
    text = "FROM busybox\nARG which=one\nENV at=/m\nRUN --mount=type=${none:-bind},source=$which,target=${at}/x cat /m/x/a\n"
    assert shown(kitchen, text) == "1"
    assert shown(kitchen, text, build_args={"which": "two"}) == "2"


def test_quoted_fields_of_a_mount(kitchen: Kitchen) -> None:
    kitchen.write({"a,b/c": "comma"})
    text = 'FROM busybox\nRUN --mount=type=bind,\\"source=a,b\\",target=/m cat /m/c\n'
    assert shown(kitchen, text) == "comma"


def test_several_mounts_lie_in_each_other(kitchen: Kitchen) -> None:
    kitchen.write({"a/b/x": "inner"})
    text = STAGES + (
        "RUN --mount=type=tmpfs,target=/t --mount=source=a,target=/t/a --mount=from=made,target=/t/made "
        "cat /t/a/b/x /t/made/out/one\n"
    )
    assert shown(kitchen, text) == "innerone\n"


def test_the_later_of_two_mounts_at_one_target_is_seen(kitchen: Kitchen) -> None:
    kitchen.write({"a/x": "first", "b/x": "second"})
    text = "FROM busybox\nRUN --mount=source=a,target=/m --mount=source=b,target=/m cat /m/x\n"
    assert shown(kitchen, text) == "second"


def test_mount_points_are_left_out_of_the_layer(either: Kitchen) -> None:
    either.write({"f": "F"})
    result = either.build(
        "FROM busybox\nRUN --mount=target=/new/deep/point --mount=source=f,target=/file "
        "--mount=type=tmpfs,target=/t touch /kept\n"
    )
    listing = either.listing(result.image_id)
    assert "kept" in listing
    assert not {"new", "file", "t"} & listing.keys()


def test_a_mount_over_a_folder_of_the_image_leaves_it(either: Kitchen) -> None:
    either.write({"x": "X"})
    result = either.build(
        "FROM busybox\nRUN mkdir /d && echo y > /d/y\nRUN --mount=target=/d,rw rm /d/x; ls /d\n"
    )
    assert either.read(result.image_id, "d/y") == "y\n"


def test_a_folder_cannot_be_mounted_over_a_file(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="cannot mount a folder at /etc/passwd"):
        kitchen.build("FROM busybox\nRUN --mount=target=/etc/passwd true\n")
    assert leftovers(kitchen) == []


def test_a_stage_that_is_only_mounted_is_built(kitchen: Kitchen) -> None:
    result = kitchen.build(STAGES + "RUN --mount=from=made,target=/m true\n")
    assert kitchen.ran(result) == ["RUN mkdir", "RUN --mount=from=made,target=/m"]
    result = kitchen.build(
        STAGES.replace("echo one", "echo uno") + "RUN --mount=from=0,target=/m cat /m/out/one\n"
    )
    assert kitchen.output == "uno\n"


def test_onbuild_run_with_a_mount(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    kitchen.build("FROM busybox\nONBUILD RUN --mount=source=a,target=/m cat /m\n", tags=("parent",))
    assert kitchen.output == ""
    assert shown(kitchen, "FROM parent\n") == "A"


def test_as_another_user(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    text = "FROM busybox\nUSER worker\nRUN --mount=target=/m --mount=type=tmpfs,target=/t cat /m/a && touch /t/x && id -u\n"
    assert shown(kitchen, text) == "A1234\n"


# --- tmpfs -------------------------------------------------------------------------------------


def test_tmpfs_is_empty_and_goes(kitchen: Kitchen) -> None:
    result = kitchen.build(
        "FROM busybox\nRUN --mount=type=tmpfs,target=/home ls /home | wc -l; touch /home/x; stat -c %a /home\n"
    )
    assert kitchen.output == "0\n1777\n"
    assert "home/x" not in kitchen.listing(result.image_id)
    assert "home/worker" in kitchen.listing(result.image_id)


def test_tmpfs_size(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=tmpfs,target=/t,size=1m "
        "dd if=/dev/zero of=/t/x bs=1024 count=900 && ! dd if=/dev/zero of=/t/y bs=1024 count=900 2>/dev/null && echo full\n"
    )
    assert shown(kitchen, text).endswith("full\n")


# --- secret ------------------------------------------------------------------------------------


def test_secret_default_target_and_mode(kitchen: Kitchen, many_ids: None) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key; stat -c '%a %u:%g' /run/secrets/key\n"
    result = kitchen.build(text, secrets=(Secret("key", value=b"s3cr3t"),))
    assert kitchen.output == "s3cr3t400 0:0\n"
    assert not any(name.startswith("run") for name in kitchen.listing(result.image_id))


def test_secret_from_a_file(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\x00\xffbinary")
    text = "FROM busybox\nRUN --mount=type=secret,id=key wc -c < /run/secrets/key\n"
    assert shown(kitchen, text, secrets=(Secret("key", str(tmp_path / "s")),)) == "8\n"


def test_secret_target_mode_uid_gid(kitchen: Kitchen, many_ids: None) -> None:
    text = (
        "FROM busybox\nUSER worker\nRUN --mount=type=secret,id=key,target=/home/worker/.key,mode=0440,uid=1234,gid=50 "
        "cat /home/worker/.key; stat -c '%a %u:%g' /home/worker/.key; echo x > /home/worker/.key || echo shut\n"
    )
    assert shown(kitchen, text, secrets=(Secret("key", value=b"k\n"),)).splitlines()[:2] == [
        "k",
        "440 1234:50",
    ]
    assert "shut" in kitchen.output


def test_secret_source_names_it_too(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,source=key,target=/k cat /k\n"
    assert shown(kitchen, text, secrets=(Secret("key", value=b"k"),)) == "k"


def test_secret_named_by_its_target(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,target=/etc/key cat /etc/key\n"
    assert shown(kitchen, text, secrets=(Secret("key", value=b"k"),)) == "k"


def test_secret_env(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key,env=TOKEN echo $TOKEN; test ! -e /run/secrets/key\n"
    result = kitchen.build(text, secrets=(Secret("key", value=b"t0ken"),))
    assert kitchen.output == "t0ken\n"
    assert not any("TOKEN" in item for item in kitchen.config(result.image_id).config.env)


def test_secret_env_and_target(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key,env=TOKEN,target=/k echo $TOKEN; cat /k\n"
    assert shown(kitchen, text, secrets=(Secret("key", value=b"t0ken"),)) == "t0ken\nt0ken"


def test_secret_that_is_not_given(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key,env=T test ! -e /run/secrets/key && echo [$T]\n"
    assert shown(kitchen, text) == "[]\n"


@pytest.mark.parametrize("word", ["required", "required=true", "required=1"])
def test_secret_required(kitchen: Kitchen, word: str) -> None:
    with pytest.raises(DockerfileError, match="secret key: not found") as caught:
        kitchen.build(f"FROM busybox\nRUN --mount=type=secret,id=key,{word} true\n")
    assert caught.value.source[caught.value.column - 1 :].startswith("id=key")
    assert "--secret id=key" in str(caught.value.hint)
    assert leftovers(kitchen) == []


def test_secret_too_big(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="secret key too big"):
        kitchen.build(
            "FROM busybox\nRUN --mount=type=secret,id=key true\n",
            secrets=(Secret("key", value=b"x" * 600_000),),
        )


def test_a_secret_is_kept_nowhere(kitchen: Kitchen) -> None:
    mark = b"kept-nowhere-7d1f"
    result = kitchen.build(
        "FROM busybox\nRUN --mount=type=secret,id=key,env=T --mount=type=secret,id=key,target=/a/b cat /a/b | wc -c\n",
        secrets=(Secret("key", value=mark),),
    )
    assert kitchen.output == f"{len(mark)}\n"
    assert mark not in kitchen.ctx.blobs.read(result.image_id)  # type: ignore[arg-type]
    for folder, _, names in os.walk(kitchen.layout.root):
        for name in names:
            path = Path(folder, name)
            if path.is_file():
                assert mark not in path.read_bytes(), path


def test_the_content_of_a_secret_does_not_count(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key\n"
    given = (Secret("key", value=b"old"),)
    kitchen.build(text, secrets=given)
    assert kitchen.build(text, secrets=(Secret("key", value=b"new"),)).cached
    assert kitchen.build(text).cached
    assert not kitchen.build(
        text.replace("id=key", "id=key,env=A,target=/run/secrets/key"), secrets=given
    ).cached
    assert not kitchen.build(text.replace("id=key", "id=key,mode=0444"), secrets=given).cached


# --- ssh ---------------------------------------------------------------------------------------


class Agent:
    """Answers every request in capitals, as a real agent never would."""

    def __init__(self, path: Path) -> None:
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.listener.bind(str(path))
        self.listener.listen(4)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                stream, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(stream,), daemon=True).start()

    def _answer(self, stream: socket.socket) -> None:
        with stream:
            while data := stream.recv(100):
                stream.sendall(data.upper())


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[str]:
    """The socket of an agent."""
    agent = Agent(tmp_path / "a")
    yield str(tmp_path / "a")
    agent.listener.close()


def test_ssh_socket_is_there(kitchen: Kitchen, agent: str, many_ids: None) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=ssh echo $SSH_AUTH_SOCK; test -S $SSH_AUTH_SOCK && "
        "stat -c '%a %u:%g' $SSH_AUTH_SOCK\n"
    )
    result = kitchen.build(text, ssh=(SshForward("default", (agent,)),))
    assert kitchen.output == "/run/buildkit/ssh_agent.0\n600 0:0\n"
    assert not any(name.startswith("run") for name in kitchen.listing(result.image_id))
    assert leftovers(kitchen) == []


def test_ssh_target_mode_uid_gid_and_id(kitchen: Kitchen, agent: str, many_ids: None) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=ssh,id=git,target=/tmp/a/sock,mode=0666,uid=1234,gid=50 "
        "--mount=type=ssh,id=git stat -c '%n %a %u:%g' $SSH_AUTH_SOCK /run/buildkit/ssh_agent.1\n"
    )
    assert shown(kitchen, text, ssh=(SshForward("git", (agent,)),)) == (
        "/tmp/a/sock 666 1234:50\n/run/buildkit/ssh_agent.1 600 0:0\n"
    )


def test_ssh_that_is_not_given(kitchen: Kitchen) -> None:
    assert (
        shown(kitchen, "FROM busybox\nRUN --mount=type=ssh test -e $SSH_AUTH_SOCK || echo none\n") == "none\n"
    )


def test_ssh_required(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match='no SSH key "default" forwarded from the client') as caught:
        kitchen.build("FROM busybox\nRUN --mount=type=ssh,required true\n")
    assert "--ssh default" in str(caught.value.hint)
    assert leftovers(kitchen) == []


def test_the_ssh_agent_of_a_stage_is_the_one_that_env_names(kitchen: Kitchen) -> None:
    text = "FROM busybox\nENV SSH_AUTH_SOCK=/mine\nRUN --mount=type=ssh echo $SSH_AUTH_SOCK\n"
    assert shown(kitchen, text) == "/mine\n"


def _identities(path: str) -> bytes:
    """What the agent behind a socket answers when it is asked for its keys."""
    with connect(path) as stream:
        stream.sendall(b"\0\0\0\1\x0b")
        return stream.recv(1 << 16)


def test_ssh_is_passed_on_both_ways(inside: IdMap, tmp_path: Path, agent: str) -> None:
    agents = Agents((SshForward("x", (agent,)),), str(tmp_path / "agents"))
    folder = str(tmp_path / ("long" * 30))
    with forwarded(agents.connector("x"), folder, 0o640, (0, 0)) as path:
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o640
        with connect(path) as one, connect(path) as two:
            one.sendall(b"one")
            two.sendall(b"two")
            assert (two.recv(9), one.recv(9)) == (b"TWO", b"ONE")
        with connect(path) as three:
            three.sendall(b"three")
            assert three.recv(9) == b"THREE"
    assert not os.path.lexists(folder)


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A file with a key."""
    if shutil.which("ssh-keygen") is None or shutil.which("ssh-agent") is None:
        pytest.skip("needs the OpenSSH client")
    path = str(tmp_path / "key")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "mine", "-f", path], check=True)
    return path


def test_ssh_keys_go_into_an_agent_of_our_own(inside: IdMap, tmp_path: Path, key: str) -> None:
    folder = str(tmp_path / ("long" * 30))
    agents = Agents((SshForward("default", (key,)),), folder)
    try:
        with forwarded(agents.connector("default"), str(tmp_path / "f"), 0o600, (0, 0)) as path:
            assert b"mine" in _identities(path)
            with forwarded(agents.connector("default"), str(tmp_path / "g"), 0o600, (0, 0)) as other:
                assert b"mine" in _identities(other)
        assert len(os.listdir(folder)) == 1  # one agent for both
    finally:
        agents.close()
    assert not os.path.lexists(folder)


def test_ssh_key_in_a_build(kitchen: Kitchen, key: str) -> None:
    text = "FROM busybox\nRUN --mount=type=ssh test -S $SSH_AUTH_SOCK && echo yes\n"
    assert shown(kitchen, text, ssh=(SshForward("default", (key,)),)) == "yes\n"


def test_ssh_key_with_a_passphrase(kitchen: Kitchen, key: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret words", "-f", key], check=True)
    with pytest.raises(DockerfileError, match="cannot use the key .*key of --ssh") as caught:
        kitchen.build("FROM busybox\nRUN --mount=type=ssh true\n", ssh=(SshForward("default", (key,)),))
    assert "socket" in str(caught.value.hint)
    assert leftovers(kitchen) == []


def test_ssh_takes_one_socket_or_keys(kitchen: Kitchen, agent: str, key: str) -> None:
    with pytest.raises(DockerfileError, match="only single socket allowed"):
        kitchen.build("FROM busybox\nRUN --mount=type=ssh true\n", ssh=(SshForward("default", (agent, key)),))


# --- cache: its frame; what a cache mount is, tests/build/test_cache_mounts.py tells -----------


def test_cache_stays_from_build_to_build(kitchen: Kitchen) -> None:
    text = "FROM busybox\nARG n\nRUN --mount=type=cache,target=/c echo $n >> /c/log; cat /c/log\n"
    assert shown(kitchen, text, build_args={"n": "1"}) == "1\n"
    assert shown(kitchen, text, build_args={"n": "2"}) == "1\n2\n"
    result = kitchen.build(text, build_args={"n": "2"})
    assert result.cached
    assert "c" not in kitchen.listing(result.image_id)


def test_cache_readonly(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --mount=type=cache,target=/c echo x > /c/x\nRUN --mount=type=cache,target=/c,ro cat /c/x; touch /c/y || echo shut\n"
    assert shown(kitchen, text).splitlines()[::2] == ["x", "shut"]


def test_cache_begins_with_a_stage(either: Kitchen) -> None:
    run = "RUN --mount=type=cache,target=/c,from=made,source=out"
    text = STAGES + f"{run} cat /c/link; stat -c '%a' /c/deep; echo more > /c/one\n"
    assert shown(either, text) == "one\n700\n"
    assert shown(either, f"{text}{run} cat /c/one\n") == "more\n"
    assert shown(either, STAGES + "RUN --mount=type=cache,target=/c,from=made,src=shortcut cat /c/two\n") == "two\n"


def test_cache_source_that_is_no_folder(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match='"/out/one" is a file'):
        kitchen.build(STAGES + "RUN --mount=type=cache,target=/c,from=made,source=/out/one true\n")
    assert leftovers(kitchen) == []


def test_cache_locked_by_two_stages_side_by_side(kitchen: Kitchen) -> None:
    work = (
        "RUN --mount=type=cache,id=l,sharing=locked,target=/c test ! -e /c/busy && touch /c/busy && "
        "sleep 0.3 && rm /c/busy"
    )
    text = f"FROM busybox AS a\n{work} && echo a > /a\nFROM busybox AS b\n{work} && echo b > /b\nFROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\n"
    result = kitchen.build(text)
    assert {"a", "b"} <= kitchen.listing(result.image_id).keys()


# --- cache keys --------------------------------------------------------------------------------


def test_a_bind_counts_by_content_of_the_context(kitchen: Kitchen) -> None:
    kitchen.write({"src/a": "A", "other": "x"})
    text = "FROM busybox\nRUN --mount=source=src,target=/m cat /m/a\n"
    assert not kitchen.build(text).cached
    kitchen.write({"other": "y"})
    os.utime(kitchen.context / "src/a", (1, 1))
    assert kitchen.build(text).cached
    (kitchen.context / "src").rename(kitchen.context / "moved")
    assert kitchen.build(text.replace("source=src", "source=moved")).cached
    kitchen.write({"moved/a": "B"})
    assert not kitchen.build(text.replace("source=src", "source=moved")).cached
    assert kitchen.output == "B"
    (kitchen.context / "moved/a").chmod(0o600)
    assert not kitchen.build(text.replace("source=src", "source=moved")).cached


def test_a_bind_counts_by_content_of_a_stage(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox AS made\nARG n\nRUN echo $n > /elsewhere && mkdir /out && echo same > /out/x\n"
        "FROM busybox\nRUN --mount=from=made,source=out,target=/m cat /m/x\n"
    )
    assert kitchen.ran(kitchen.build(text, build_args={"n": "1"})) == [
        "RUN echo",
        "RUN --mount=from=made,source=out,target=/m",
    ]
    assert kitchen.ran(kitchen.build(text, build_args={"n": "2"})) == ["RUN echo"]
    assert kitchen.build(text, build_args={"n": "2"}).cached
    assert kitchen.ran(kitchen.build(text.replace("same", "new"), build_args={"n": "2"}))[1:] == [
        "RUN --mount=from=made,source=out,target=/m"
    ]


def test_the_times_of_a_context_are_those_on_disk(kitchen: Kitchen) -> None:
    kitchen.write({"a": "A"})
    text = "FROM busybox\nARG n\nRUN --mount=target=/m stat -c %Y /m/a\n"
    for time_ in (1_000_000_000, 1_100_000_000):
        os.utime(kitchen.context / "a", (time_, time_))
        assert shown(kitchen, text, build_args={"n": str(time_)}) == f"{time_}\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--mount=target=/m", "--mount=target=/n"),
        ("--mount=target=/m", "--mount=target=/m,rw"),
        ("--mount=type=tmpfs,target=/m", ""),
        ("--mount=type=tmpfs,target=/m", "--mount=type=tmpfs,target=/m,size=1m"),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,ro"),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,mode=0700"),
        ("--mount=type=ssh", ""),
        ("--mount=type=secret,id=x", "--mount=type=secret,id=y"),
        ("--network=none", ""),
    ],
)
def test_what_counts_of_mounts(kitchen: Kitchen, one: str, other: str) -> None:
    kitchen.build(f"FROM busybox\nRUN {one} true\n")
    assert kitchen.build(f"FROM busybox\nRUN {one} true\n").cached
    assert not kitchen.build(f"FROM busybox\nRUN {other} true\n").cached


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("--mount=target=/m", "--mount=type=bind,dst=/m,readonly,source=."),
        ("--mount=type=cache,target=/m", "--mount=type=cache,target=/m,id=x,sharing=locked"),
    ],
)
def test_what_does_not_count_of_mounts(kitchen: Kitchen, one: str, other: str) -> None:
    kitchen.build(f"FROM busybox\nRUN {one} true\n")
    assert kitchen.build(f"FROM busybox\nRUN {other} true\n").cached


def test_history_says_nothing_of_mounts(kitchen: Kitchen) -> None:
    result = kitchen.build("FROM busybox\nRUN --mount=target=/m --network=none echo hi\n")
    assert kitchen.config(result.image_id).history[-1].created_by == "RUN /bin/sh -c echo hi"


# --- limits, hosts, security -------------------------------------------------------------------


def test_ulimit(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN ulimit -Sn; ulimit -Hn; ulimit -c\n"
    assert shown(kitchen, text, ulimits=(Ulimit("nofile", 100, 200), Ulimit("core", 0, 0))) == "100\n200\n0\n"
    assert not kitchen.build(text, ulimits=(Ulimit("nofile", 101, 200), Ulimit("core", 0, 0))).cached
    assert kitchen.build(text, ulimits=(Ulimit("core", 0, 0), Ulimit("nofile", 101, 200))).cached


def test_ulimit_that_cannot_be(kitchen: Kitchen) -> None:
    with pytest.raises(LaminaError, match="cannot set the limit nofile=-1:-1"):
        kitchen.build("FROM busybox\nRUN true\n", ulimits=(Ulimit("nofile", -1, -1),))
    assert leftovers(kitchen) == []


def test_shm_size(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN grep ' /dev/shm ' /proc/mounts\n"
    assert "size=65536k" in shown(kitchen, text)
    assert "size=2048k" in shown(kitchen, text, shm_size=2 << 20)


def test_add_host(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN grep example /etc/hosts\n"
    hosts = (("example.test", "10.1.2.3"), ("six.example.test", "2001:db8::1"))
    assert shown(kitchen, text, add_hosts=hosts) == "10.1.2.3\texample.test\n2001:db8::1\tsix.example.test\n"
    assert kitchen.build(text, add_hosts=(hosts[0], ("six.example.test", "::2"))).cached
    assert not kitchen.build(text, add_hosts=hosts[:1]).cached


def test_network_none(kitchen: Kitchen) -> None:
    assert shown(kitchen, "FROM busybox\nRUN --network=none cat /proc/net/dev | grep -c :\n") == "1\n"


def test_network_default_and_host(kitchen: Kitchen) -> None:
    ours = str(len(Path("/proc/net/dev").read_text().splitlines()))
    for flag in ("--network=default", "--network=host"):
        assert (
            shown(kitchen, f"FROM busybox\nRUN {flag} wc -l < /proc/net/dev\n", no_cache=True).strip() == ours
        )


def test_security_insecure_needs_allow(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="security.insecure is not allowed") as caught:
        kitchen.build("FROM busybox\nRUN true\nRUN --security=insecure true\n")
    assert (caught.value.line, caught.value.column) == (3, 5)
    assert "--allow security.insecure" in str(caught.value.hint)
    assert kitchen.started == []
    kitchen.build("FROM busybox AS unused\nRUN --security=insecure true\nFROM busybox\n")


def test_security_insecure(kitchen: Kitchen) -> None:
    text = "FROM busybox\nRUN --security=insecure cat /proc/self/status; cat /proc/mounts\n"
    output = shown(kitchen, text, allow=frozenset({INSECURE}))
    fields = dict(line.split(":\t", 1) for line in output.splitlines() if ":\t" in line)
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    ours = int(
        next(line for line in Path("/proc/self/status").read_text().splitlines() if "CapBnd" in line)[8:], 16
    )
    for name in ("CapBnd", "CapEff", "CapPrm"):
        assert int(fields[name], 16) == ours & (1 << last + 1) - 1
    mounts = {
        line.split()[1]: line.split()[3] for line in output.splitlines() if line.startswith(("sysfs", "proc"))
    }
    assert mounts["/sys"].startswith("rw")
    assert "/proc/sys" not in mounts
    plain = shown(kitchen, "FROM busybox\nRUN --security=sandbox cat /proc/self/status\n")
    assert "CapEff:\t00000000a80425fb" in plain


def test_security_insecure_has_no_seccomp_filter(kitchen: Kitchen, many_ids: None) -> None:
    text = "FROM busybox\nRUN --security=insecure grep ^Seccomp: /proc/self/status\n"
    ours = next(
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("Seccomp:")
    )
    assert shown(kitchen, text, allow=frozenset({INSECURE})).split() == ours.split()


def test_security_insecure_as_another_user(kitchen: Kitchen, many_ids: None) -> None:
    text = "FROM busybox\nUSER worker\nRUN --security=insecure id -u; grep CapEff /proc/self/status\n"
    assert shown(kitchen, text, allow=frozenset({INSECURE})).startswith("1234\nCapEff:\t0000")
    assert "0000000000000000" not in kitchen.output


def test_security_insecure_counts(kitchen: Kitchen) -> None:
    kitchen.build("FROM busybox\nRUN true\n")
    assert not kitchen.build(
        "FROM busybox\nRUN --security=insecure true\n", allow=frozenset({INSECURE})
    ).cached


# --- failures ----------------------------------------------------------------------------------


def test_a_failing_run_leaves_no_mounts(kitchen: Kitchen, agent: str) -> None:
    kitchen.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m,rw --mount=from=made,target=/n --mount=type=cache,target=/c --mount=type=ssh "
        "--mount=type=secret,id=s --mount=type=tmpfs,target=/t exit 7\n"
    )
    with pytest.raises(BuildFailed) as caught:
        kitchen.build(text, ssh=(SshForward("default", (agent,)),), secrets=(Secret("s", value=b"x"),))
    assert caught.value.status == 7
    mine = Path("/proc/self/mounts").read_text()
    assert kitchen.layout.root not in mine


def test_ctrl_c_during_a_mount(kitchen: Kitchen, agent: str, key: str) -> None:
    kitchen.write({"a": "A"})
    text = STAGES + (
        "RUN --mount=target=/m,rw --mount=from=made,target=/n --mount=type=cache,target=/c,sharing=locked "
        "--mount=type=ssh --mount=type=ssh,id=k touch /c/there; echo there; sleep 100\n"
    )

    def interrupt(event: object) -> None:
        kitchen.events.append(event)  # type: ignore[arg-type]
        if isinstance(event, StepOutput) and b"there" in event.data:
            os.kill(os.getpid(), signal.SIGINT)

    request = BuildRequest(
        context=str(kitchen.context),
        dockerfile=text.encode(),
        ssh=(SshForward("default", (agent,)), SshForward("k", (key,))),
    )
    start = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        build(kitchen.ctx, request, HOST, interrupt, kitchen.enter, kitchen.tools)
    assert time.monotonic() - start < 20
    assert leftovers(kitchen) == []
    assert (
        shown(kitchen, "FROM busybox\nRUN --mount=type=cache,target=/c,sharing=locked ls /c\n") == "there\n"
    )

"""RUN --mount=type=secret and ssh end to end: they are there for the process, and kept nowhere."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.agents import Agents, connect
from lamina.build.forwarding import forwarded
from lamina.build.given import Secret, SshForward
from lamina.dockerfile import DockerfileError
from lamina.errors import LaminaError
from lamina.fs.xattr import in_first_namespace
from lamina.mount.types import Mount
from lamina.sandbox.spec import ProcessSpec

from .mounted import shown
from .test_run import leftovers

if TYPE_CHECKING:
    from lamina.mount.userns import IdMap

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


# --- secret ------------------------------------------------------------------------------------


def test_secret_default_target_and_mode(kitchen: Kitchen, many_ids: None) -> None:
    text = (
        "FROM busybox\nRUN --mount=type=secret,id=key cat /run/secrets/key; stat -c '%a %u:%g' "
        "/run/secrets/key\n"
    )
    result = kitchen.build(text, secrets=(Secret("key", value=b"s3cr3t"),))
    assert kitchen.output == "s3cr3t400 0:0\n"
    assert not any(name.startswith("run") for name in kitchen.listing(result.image_id))


def test_secret_from_a_file(kitchen: Kitchen, tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(b"\x00\xffbinary")
    text = "FROM busybox\nRUN --mount=type=secret,id=key wc -c < /run/secrets/key\n"
    assert shown(kitchen, text, secrets=(Secret("key", str(tmp_path / "s")),)) == "8\n"


def test_secret_target_mode_uid_gid(kitchen: Kitchen, many_ids: None) -> None:
    text = (
        "FROM busybox\nUSER worker\nRUN "
        "--mount=type=secret,id=key,target=/home/worker/.key,mode=0440,uid=1234,gid=50 "
        "cat /home/worker/.key; stat -c '%a %u:%g' /home/worker/.key; (echo x > /home/worker/.key) "
        "2>/dev/null || echo shut\n"
    )
    assert shown(kitchen, text, secrets=(Secret("key", value=b"k\n"),)) == "k\n440 1234:50\nshut\n"


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


def test_owners_that_do_not_exist_here(kitchen: Kitchen, agent: str, many_ids: None) -> None:
    given = {"secrets": (Secret("s", value=b"s"),), "ssh": (SshForward("default", (agent,)),)}
    for kind in ("secret,id=s", "ssh"):
        text = f"FROM busybox\nRUN --mount=type={kind},uid=4000000000 true\n"
        if in_first_namespace():
            kitchen.build(text, **given)
            continue
        with pytest.raises(DockerfileError, match="cannot belong to 4000000000:0"):
            kitchen.build(text, **given)
    assert leftovers(kitchen) == []


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
        "FROM busybox\nRUN --mount=type=secret,id=key,env=T --mount=type=secret,id=key,target=/a/b "
        "cat /a/b | wc -c\n",
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


@pytest.mark.skipif(os.geteuid() != 0 or not os.path.exists("/usr/bin/python3"), reason="root and Python")
def test_ssh_answers_a_process_inside(kitchen: Kitchen, agent: str) -> None:
    """A process with the host's programs: busybox cannot talk to such a socket."""
    root = kitchen.folder / "inside"
    for name in ("upper", "work", "merged"):
        (root / name).mkdir(parents=True)
    code = "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/agent')"
    code += "; s.sendall(b'hello'); os._exit(s.recv(9) != b'HELLO')"
    agents = Agents((SshForward("x", (agent,)),), str(kitchen.folder / "agents"))
    with forwarded(agents.connector("x"), str(kitchen.folder / "f"), 0o600, (65534, 65534)) as path:
        overlay = Mount(
            "overlay", f"{root}/merged", lowers=("/",), upper=f"{root}/upper", work=f"{root}/work"
        )
        statuses = []
        for user in ("65534", "1"):
            spec = ProcessSpec(
                ("/usr/bin/python3", "-c", code),
                (overlay,),
                user=user,
                mounts=(Mount("bind", "/run/agent", path),),
                network="none",
            )
            null = os.open("/dev/null", os.O_RDWR)
            process = kitchen.tools().runtime.start(spec, null, null, null)
            os.close(null)
            statuses.append(process.wait())
            process.close()
    assert statuses == [0, 1], "the owner may, others may not"


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
    with pytest.raises(
        DockerfileError, match=r"cannot use the key .*key of --ssh: it has a passphrase"
    ) as caught:
        kitchen.build("FROM busybox\nRUN --mount=type=ssh true\n", ssh=(SshForward("default", (key,)),))
    assert "socket" in str(caught.value.hint)
    assert leftovers(kitchen) == []


def test_ssh_takes_one_socket_or_keys(kitchen: Kitchen, agent: str, key: str) -> None:
    with pytest.raises(DockerfileError, match="only single socket allowed"):
        kitchen.build("FROM busybox\nRUN --mount=type=ssh true\n", ssh=(SshForward("default", (agent, key)),))

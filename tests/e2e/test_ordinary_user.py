"""An ordinary user builds, runs, saves, mounts and deletes, with sub-IDs and with one ID."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.store.files import remove_tree
from tests.e2e.conftest import remove
from tests.e2e.ordinary import Ids, OrdinaryLamina, ordinary_lamina
from tests.e2e.test_kill import leftovers, processes_of
from tests.machine import quick_place

DOCKERFILE = """\
FROM busybox
COPY --chown=worker:44 kept given /
RUN touch /made /both && chown 33:44 /made && chown -h 33:0 /both && chmod 640 /kept
RUN su worker -s /bin/sh -c 'echo yes > /tmp/by-worker'
USER worker
WORKDIR /home
RUN id -un > /tmp/who && rm /tmp/by-worker
CMD ["cat", "/tmp/who"]
"""


@pytest.fixture(params=["one", "many"])
def ids(request: pytest.FixtureRequest) -> Ids:
    """Whether the user has sub-IDs."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def user(ids: Ids) -> Iterator[OrdinaryLamina]:
    """An ordinary user's Lamina with the image `busybox`; nothing of it is left afterwards."""
    folder = tempfile.mkdtemp(prefix="lamina-user-", dir=quick_place())
    try:
        yield ordinary_lamina(Path(folder), ids)
        assert processes_of(Path(folder)) == []
        assert os.fsencode(folder) not in Path("/proc/self/mountinfo").read_bytes()
    finally:
        remove(folder)


@pytest.fixture
def app(user: OrdinaryLamina) -> OrdinaryLamina:
    """With the image `app`, built from DOCKERFILE."""
    context = user.folder / "context"
    context.mkdir()
    (context / "Dockerfile").write_text(DOCKERFILE)
    for name in ("kept", "given"):
        (context / name).write_text(name)
    user.build("-t", "app", user.owned(context))
    return user


def owners(archive: Path) -> dict[str, tuple[int, int]]:
    """Each path of a saved image with its owner, by the topmost layer that has it."""
    found: dict[str, tuple[int, int]] = {}
    with tarfile.open(archive) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest is not None
        for name in json.load(manifest)[0]["Layers"]:
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                found |= {member.name: (member.uid, member.gid) for member in layer}
    return found


def test_build_and_run(app: OrdinaryLamina, ids: Ids) -> None:
    who = {"one": "root", "many": "worker"}[ids]
    assert app("run", "--rm", "app") == f"{who}\n"
    assert app("run", "--rm", "-u", "0:0", "app", "sh", "-c", "id -u; exit 3", status=3) == "0\n"
    assert "CACHED" in app.build("-t", "app", app.folder / "context")
    seen = app(
        "run", "--rm", "-u", "0", "app", "stat", "-c", "%U:%G %a", "/made", "/kept", "/tmp"
    ).splitlines()
    if ids == "many":
        assert seen == ["worker:workers 644", "worker:workers 640", "root:root 1777"]
    assert [line.split()[1] for line in seen] == ["644", "640", "1777"]


def test_saved_owners_are_right_where_the_disk_cannot_hold_them(app: OrdinaryLamina, ids: Ids) -> None:
    archive = app.folder / "app.tar"
    app("save", "-o", archive, "app")
    found = owners(archive)
    assert found["given"] == (33, 44)
    assert found["kept"] == (33, 44)  # a RUN that changed its mode does not change its owner
    assert found["etc/passwd"] == (0, 0)
    made = {"one": (0, 0), "many": (33, 44)}[ids]  # with one ID a chown in a RUN is a promise only
    assert found["made"] == made
    assert found["tmp/who"] == made
    assert found["both"] == ((33, 0) if ids == "many" else (0, 0))
    before = app.inspect("app")
    app("rmi", "-f", "app")
    app("prune", "-a", "-f")
    app("load", "-i", archive)
    after = app.inspect("app")
    assert (after["Id"], after["RootFS"]) == (before["Id"], before["RootFS"])
    app("save", "-o", app.folder / "again.tar", "app")
    assert owners(app.folder / "again.tar") == found


def test_a_container_is_changed_and_committed(app: OrdinaryLamina) -> None:
    app("run", "--name", "box", "-u", "0", "app", "sh", "-c", "echo new > /new; rm /given; chown 33 /kept")
    assert {"A /new", "D /given"} <= set(app("diff", "box").splitlines())
    assert {"/new", "/given"} <= set(app("diff", "--name-only", "app", "box").splitlines())
    app("commit", "box", "changed")
    assert app("diff", "--name-only", "box", "changed") == ""
    app("rm", "box")
    assert app("run", "--rm", "changed", "sh", "-c", "cat /new; ls /given 2>&1 | wc -l") == "new\n1\n"
    archive = app.folder / "changed.tar"
    app("save", "-o", archive, "changed")
    assert owners(archive)["kept"] == (33, 44)


def test_mounts_are_held_by_a_process(app: OrdinaryLamina) -> None:
    path = Path(app("mount", "app").strip())
    try:
        assert path.parts[:2] == ("/", "proc")
        assert (path / "given").read_text() == "given"
        with pytest.raises(OSError, match="Read-only"):
            (path / "new").touch()
    finally:
        app("umount", "app")
    assert not path.exists()


def test_deleting_leaves_nothing(app: OrdinaryLamina) -> None:
    app("run", "--name", "box", "app")
    app("rm", "box")
    app("rmi", "app", "busybox")
    app("prune", "-a", "-f")
    for folder in ("diff", "mnt", "layers", "blobs/sha256"):
        assert os.listdir(app.root / folder) == [], folder
    assert app("images", "-q") == ""


def test_a_container_of_another_command_is_killed(app: OrdinaryLamina) -> None:
    """It is another user's process in another user namespace, when there are sub-IDs."""
    service = app.start("run", "--name", "box", "-u", "worker", "busybox", "sleep", "1002")
    wait_until(lambda: b"1002" in asleep())
    app("rm", "-f", "box")
    assert service.wait(timeout=30) == 137
    service.communicate()
    assert b"1002" not in asleep()


def test_kill_9_leaves_nothing(app: OrdinaryLamina) -> None:
    context = app.folder / "long"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM busybox\nRUN touch /a && chown 33 /a && sleep 1000\n")
    build = app.start("build", "--progress=plain", app.owned(context))
    service = app.start("run", "--rm", "-u", "worker", "busybox", "sleep", "1001")
    wait_until(lambda: {b"1000", b"1001"} <= asleep())
    for command in (build, service):
        os.killpg(command.pid, signal.SIGKILL)
        command.communicate(timeout=30)
    wait_until(lambda: processes_of(app.root) == [])
    assert not {b"1000", b"1001"} & asleep()
    app("ps", "-a")
    assert leftovers(app.root) == []
    if left := app("ps", "-aq").split():
        app("rm", *left)
    app("prune", "-a", "-f")
    assert os.listdir(app.root / "mnt") == []


def wait_until(holds: object, seconds: float = 20) -> None:
    """Fails when `holds()` is not true in time."""
    deadline = time.monotonic() + seconds
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)


def asleep() -> set[bytes]:
    """The arguments of all `sleep` that run."""
    found = set()
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0].endswith(b"sleep"):
            found |= set(words[1:])
    return found


def test_very_deep_trees(user: OrdinaryLamina) -> None:
    context = user.folder / "deep"
    context.mkdir()
    name = "a" * 20
    deep = f"i=0; while [ $i -lt 300 ]; do mkdir {name}; cd -P {name}; i=$((i+1)); done"
    (context / "Dockerfile").write_text(f"FROM busybox\nRUN {deep}; exit 7\n")
    err = user.build(user.owned(context), status=1)
    assert "7" in err
    user("prune", "-a", "-f")
    assert os.listdir(user.root / "mnt") == []
    remove_tree(str(context))


def said(progress: str) -> list[str]:
    """What the processes of a build wrote, from its plain progress."""
    return re.findall(r"^#\d+ \d+\.\d+ (.*)", progress, re.MULTILINE)


MOUNTS = """\
FROM busybox AS other
RUN mkdir /o && echo other > /o/file
FROM busybox
USER worker
RUN --mount=target=/context,rw --mount=from=other,source=o,target=/other --mount=type=tmpfs,target=/t \\
    --mount=type=cache,target=/cache,uid=33,gid=44 --mount=type=ssh,uid=33 \\
    --mount=type=secret,id=one,env=ONE --mount=type=secret,id=two,uid=33,mode=0440 \\
    cat /other/file /run/secrets/two /context/given; echo $ONE; \\
    test -S $SSH_AUTH_SOCK && touch /cache/x /t/x && stat -c 'of %u:%g %a' /cache /run/secrets/two
"""


def test_mounts_of_a_run(app: OrdinaryLamina, ids: Ids) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("needs the OpenSSH client")
    context, key, secret = (app.folder / name for name in ("context", "key", "secret"))
    (context / "Dockerfile").write_text(MOUNTS)
    secret.write_text("secret\n")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    for path in (secret, key):
        app.owned(path)
    flags = ("--secret=id=one,env=ONE", f"--secret=id=two,src={secret}", f"--ssh=default={key}")
    _, log = app.both("build", "--progress=plain", *flags, context, ONE="by name")
    owner = {"one": "0:0", "many": "33:44"}[ids]
    group = {"one": "0:0", "many": "33:0"}[ids]
    assert said(log) == ["other", "secret", "givenby name", f"of {owner} 755", f"of {group} 440"]
    assert " 0 run" in app.both("build", "--progress=plain", *flags, context, ONE="another")[1]
    assert sorted(os.listdir(context)) == ["Dockerfile", "given", "kept"]


def test_copies_with_flags(app: OrdinaryLamina) -> None:
    context = app.folder / "context"
    (context / "a/b").mkdir(parents=True)
    for name in ("a/b/c", "a/b/c.log"):
        (context / name).write_text(name)
    (context / "Dockerfile").write_text(
        "FROM busybox\nCOPY --link --chown=33:44 given /linked/\nCOPY --parents --chown=7 a/./b/*.log /p/\n"
        "COPY --exclude=**/*.log --chmod=u=rwX,go=rX --chown=worker a /e\nCOPY --chmod=4755 given /suid\n"
    )
    app.build("-t", "copied", app.owned(context))
    archive = app.folder / "copied.tar"
    app("save", "-o", archive, "copied")
    found = owners(archive)
    assert {name: found[name] for name in ("linked/given", "p/b/c.log", "e", "e/b/c", "suid")} == {
        "linked/given": (33, 44),
        "p/b/c.log": (7, 7),
        "e": (33, 44),
        "e/b/c": (33, 44),
        "suid": (0, 0),
    }
    assert not {"e/b/c.log", "p/b/c", "p/a"} & set(found)
    assert app("run", "--rm", "copied", "stat", "-c", "%a", "/suid", "/e/b/c") == "4755\n644\n"


def test_another_platform_and_several(app: OrdinaryLamina) -> None:
    context = app.folder / "context"
    (context / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY --chown=33 given /$TARGETARCH/\n")
    app.build("--platform=linux/arm64", "-t", "arm", context)
    assert app.inspect("arm")["Architecture"] == "arm64"
    both = app.folder / "both"
    app.build("--platform=linux/arm64,linux/amd64", "-o", f"type=local,dest={both}", context)
    paths = [both / f"linux_{name}" / name / "given" for name in ("arm64", "amd64")]
    assert [path.read_text() for path in paths] == ["given", "given"]
    assert {(path.stat().st_uid, path.stat().st_mode & 0o777) for path in paths} == {(app.uid, 0o644)}


@pytest.mark.parametrize("kind", ["local", "tar", "oci", "docker"])
def test_what_is_written_is_the_users(app: OrdinaryLamina, ids: Ids, kind: str) -> None:
    """Files outside the store belong to who ran the build; archives have the owners of the image."""
    target = app.folder / "written"
    text = "FROM busybox AS one\nRUN echo x > /y && chmod 750 /y && chown 33:44 /y\n"
    text += "FROM scratch\nCOPY --from=one /y /y\nCOPY --chown=33:44 --chmod=4711 given /d/\n"
    (app.folder / "context/Dockerfile").write_text(text)
    app.build("-o", f"type={kind},dest={target}", app.folder / "context")
    written = [target, *target.rglob("*")]
    assert {path.lstat().st_uid for path in written} == {app.uid}
    if kind == "local":
        assert [path.name for path in sorted(written)] == ["written", "d", "given", "y"]
        assert (target / "y").stat().st_mode & 0o7777 == 0o750
        shutil.rmtree(target)
    elif kind == "tar":
        with tarfile.open(target) as archive:
            found = {member.name: (member.uid, member.gid, member.mode) for member in archive}
        assert found["d/given"] == (33, 44, 0o4711)
        assert found["y"] == ((0, 0, 0o750) if ids == "one" else (33, 44, 0o750))
    else:
        app("rmi", "-f", "app")
        app("load", "-i", target)
    assert list(app.folder.glob(".*tmp*")) == []


def test_a_failed_step(app: OrdinaryLamina) -> None:
    context = app.folder / "context"
    (context / "Dockerfile").write_text(
        "FROM busybox\nUSER worker\nRUN echo left > /tmp/left; echo said; mkdir -m 0 /tmp/shut; exit 7\n"
    )
    err = app.build(context, status=1)
    assert "Dockerfile:3: " in err
    assert "lamina run --failed" in err
    assert app("run", "--rm", "--failed", "cat", "/tmp/left") == "left\n"
    assert set(app("diff", "--failed").splitlines()) == {"C /tmp", "A /tmp/left", "A /tmp/shut"}
    (build, *_) = app("build", "ls", "-q").split()
    assert "said" in app("build", "logs", build)
    assert app("run", "--rm", "--step=1", build, "id", "-u") == "0\n"
    app("prune", "-a", "-f")
    assert os.listdir(app.root / "mnt") == []


def test_check_and_attestations(app: OrdinaryLamina) -> None:
    context = app.folder / "context"
    (context / "Dockerfile").write_text("FROM busybox\nCOPY kept /kept\nCMD echo hi\n")
    assert "JSONArgsRecommended" in app("build", "--check", context, status=1)
    target = app.folder / "attested.tar"
    app.build("--sbom=true", "--provenance=mode=max", "-o", f"type=oci,dest={target}", context)
    with tarfile.open(target) as archive:
        blobs = [archive.extractfile(member) for member in archive if member.isfile()]
        texts = [blob.read() for blob in blobs if blob is not None]
    for kind in (b"https://slsa.dev/provenance/v1", b"https://spdx.dev/Document"):
        assert any(b'"predicateType":' in text and kind in text for text in texts)


def test_limits_of_a_run(app: OrdinaryLamina) -> None:
    (app.folder / "context/Dockerfile").write_text(
        "FROM busybox\nRUN ulimit -n; grep -c a.test /etc/hosts; grep -o size=2048k /proc/mounts\n"
        "RUN --security=insecure mkdir /m && mount -t tmpfs none /m && echo mounted\n"
        "RUN --network=none wc -l < /proc/net/route\n"
    )
    flags = ("--ulimit=nofile=77", "--shm-size=2m", "--add-host=a.test:10.0.0.1")
    log = app.build(*flags, "--allow=security.insecure", app.folder / "context")
    assert said(log) == ["77", "1", "size=2048k", "mounted", "1"]

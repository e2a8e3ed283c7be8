"""lamina copy, registry, index, and save --since as a user runs them: what is printed, and what is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.oci.digest import sha256
from tests.e2e.conftest import lamina, remove
from tests.e2e.forked import Forked
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import ordinary_lamina
from tests.fetch.server import Handler
from tests.machine import quick_place
from tests.registry.conftest import liar, place
from tests.registry.distribution import Registry, running
from tests.registry.images import image, noise
from tests.registry.liar import Liar
from tests.transfer.copying import HOST, ONE, OTHER, SBOM, TWO, files, layout, signed

__all__ = ["lamina", "liar", "place"]
ONLINE = {"LAMINA_OFFLINE": ""}


@pytest.fixture
def forked(lamina: Lamina) -> Forked:
    """Lamina on a new root, where a command costs little."""
    return Forked(lamina.root)


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """A registry that the tests of this module share."""
    folder = Path(tempfile.mkdtemp(prefix="lamina-copy-", dir=quick_place()))
    try:
        with running(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


def lines(text: str) -> set[str]:
    return set(text.splitlines())


def test_copy(forked: Forked, registry: Registry, place: Path) -> None:
    source, target = layout(place / "layout"), f"docker://{registry.name('copy')}:1"
    out = forked("copy", source, target, **ONLINE)
    assert lines(out) == {
        f"Copying {source} to {target}",
        f"The image for {HOST} alone: --all copies the whole index",
        *(f"{digest[7:19]}: Copy complete" for digest in (*ONE.layers, ONE.image_id)),
        f"Digest: {ONE.digest}",
    }
    assert out.splitlines()[-1] == f"Digest: {ONE.digest}"
    digestfile = place / "digest"
    assert forked("copy", "-q", "--all", "--digestfile", digestfile, source, target, **ONLINE) == ""
    assert digestfile.read_text() == TWO.digest
    again = forked("copy", "-a", "--preserve-digests", target, target + "-again", **ONLINE)
    assert again.splitlines() == [f"Copying {target} to {target}-again", f"Digest: {TWO.digest}"]
    assert not forked.root.exists()  # no store was needed
    _, err = forked.both("copy", source, f"oci:{place}", status=1)
    assert err.splitlines() == [
        f"lamina: {place} is no image layout: it has other files, and no index.json",
        "hint: give a new folder, or an empty one",
    ]
    _, err = forked.both("copy", "--preserve-digests", "--format=docker", source, "x", status=1)
    assert "--preserve-digests wants the same" in err
    assert "requires 2 arguments" in forked.both("copy", source, status=1)[1]


def test_questions(forked: Forked, registry: Registry, place: Path) -> None:
    signed(place / "layout")
    name = registry.name("asked")
    forked("copy", "-qa", "--referrers", f"oci:{place}/layout:it", f"docker://{name}:1", **ONLINE)
    forked("copy", "-q", f"docker://{name}:1", f"docker://{name}:0", **ONLINE)
    tags = forked("registry", "tags", name, **ONLINE).splitlines()
    assert tags == sorted(tags) and tags[:2] == ["0", "1"]
    assert forked("registry", "list-tags", "--format", "json", name, **ONLINE).splitlines()[0] == json.dumps(
        {"Repository": name, "Tag": "0"}, separators=(",", ":")
    )
    _, err = forked.both("registry", "tags", f"{name}:1", status=1, **ONLINE)
    assert f"{name}:1 is one image" in err and f"hint: write the name alone: {name}\n" in err
    found = json.loads(forked("registry", "inspect", f"docker://{name}:1", **ONLINE))
    assert (found["Name"], found["Digest"], found["Layers"]) == (name, TWO.digest, ONE.layers)
    assert found["Platforms"] == [str(OTHER), str(HOST)] and "0" in found["RepoTags"]
    form = "{{.Digest}} {{.Architecture}} {{.Labels}} {{len .Layers}}"
    shown = forked("registry", "inspect", "-n", "-f", form, "--platform", str(OTHER), f"{name}:1", **ONLINE)
    assert shown == f"{TWO.digest} {OTHER.architecture} <no value> 2\n".replace(
        "<no value>", shown.split()[2]
    )
    assert forked("registry", "inspect", "--raw", f"{name}:1", **ONLINE).encode() == TWO.data
    raw = forked("registry", "inspect", "--config", "--raw", f"{name}:1", **ONLINE)
    assert sha256(raw.encode()) == ONE.image_id
    assert forked("registry", "manifest", "--raw", f"{name}:0", **ONLINE).encode() == ONE.data
    assert json.loads(forked("registry", "manifest", f"{name}:0", **ONLINE)) == json.loads(ONE.data)
    assert forked("registry", "manifest", "--digest", f"{name}:1", **ONLINE) == TWO.digest + "\n"
    header, *rows = forked("registry", "referrers", f"{name}:1", **ONLINE).splitlines()
    assert header.split()[:3] == ["DIGEST", "ARTIFACT", "TYPE"] and len(rows) == 2
    (of_image,) = forked(
        "registry", "referrers", "-q", "--artifact-type", SBOM, f"{name}:0", **ONLINE
    ).splitlines()
    assert of_image.startswith("sha256:")


def test_rm(forked: Forked, registry: Registry, place: Path) -> None:
    name = registry.name("removed")
    for tag in ("1", "2"):
        forked("copy", "-q", layout(place / tag, ONE), f"docker://{name}:{tag}", **ONLINE)
    out, err = forked.both("registry", "rm", f"{name}:1", f"{name}:none", status=1, **ONLINE)
    assert out == "" and f"{name}:1 is also 2" in err and "hint: --force" in err and "none" in err
    assert forked("registry", "rm", "-f", f"{name}:1", **ONLINE).splitlines() == [
        f"Untagged: {name}:1",
        f"Untagged: {name}:2",
        f"Deleted: {ONE.digest}",
    ]


def test_index(forked: Forked, registry: Registry, place: Path) -> None:
    name = registry.name("multi")
    theirs = image({"o": b"other"}, platform=str(OTHER))
    forked("copy", "-q", layout(place / "ours", ONE), f"docker://{name}:ours", **ONLINE)
    made = f"{name}:all"
    assert forked("index", "create", made, f"{name}:ours", **ONLINE) == f"Created index {made}\n"
    added = forked("index", "add", made, layout(place / "theirs", theirs), "--variant=v9", **ONLINE)
    assert added == f"{theirs.digest} {OTHER}/v9\n"
    assert forked("index", "annotate", made, f"{OTHER}/v9", "--variant", "", "--annotation", "a=b") == ""
    assert forked("index", "annotate", "--index", made, "--annotation", "all=1") == ""
    (row,) = forked("index", "ls", "--format", "{{.Name}} {{.Images}} {{.Platforms}}").splitlines()
    assert row == f"{made} 2 {HOST}, {OTHER}"
    draft = forked("index", "inspect", made)
    assert json.loads(draft)["annotations"] == {"all": "1"}
    out = forked("index", "push", "--purge", "--digestfile", place / "digest", made, **ONLINE)
    digest = (place / "digest").read_text()
    assert out.splitlines()[0] == f"Pushing {made}" and out.splitlines()[-1] == f"Digest: {digest}"
    assert json.loads(forked("index", "inspect", made, **ONLINE)) == json.loads(draft)  # of the registry now
    assert sha256(forked("index", "inspect", "--raw", made, **ONLINE).encode()) == digest
    assert forked("index", "ls", "-q") == ""
    _, err = forked.both("index", "annotate", made, status=1)
    assert "annotate an IMAGE of the index, or with --index the index" in err
    _, err = forked.both("index", "rm", made, status=1)
    assert err == f"Error: No such index: {made}\n"


def test_since(forked: Forked, place: Path) -> None:
    (place / "big").write_bytes(noise(100_000))
    (place / "Dockerfile").write_text("FROM scratch\nCOPY big /\nARG WORD\nCOPY word /\n")
    for word in ("one", "two"):
        (place / "word").write_text(word)
        forked("build", "-q", "-t", f"app:{word}", place)
    other = Forked(forked.root.parent / "other")
    forked("save", "-o", place / "base.tar", "app:one")
    _, err = forked.both("save", "--since", "app:one", "-o", place / "since.tar", "app:two")
    assert err == "" and (place / "since.tar").stat().st_size < 20_000
    _, err = other.both("load", "-i", place / "since.tar", status=1)
    assert "the archive leaves out layers that the store lacks: sha256:" in err and "of app:one (" in err
    assert "hint: pull or load app:one" in err
    assert other("images", "-q") == ""
    other("load", "-q", "-i", place / "base.tar")
    assert other("load", "-i", place / "since.tar") == "Loaded image: app:two\n"
    assert other("images", "-q", "--no-trunc") == forked("images", "-q", "--no-trunc")
    (place / "link").symlink_to("linked.tar")
    (place / "linked.tar").write_bytes(b"before")
    forked("save", "-o", place / "link", "app:two")
    assert (place / "link").is_symlink() and (place / "linked.tar").stat().st_size > 100_000
    _, err = forked.both("save", "--since", "none", "-o", place / "none.tar", "app:two", status=1)
    assert "No such image: none:latest" in err and not (place / "none.tar").exists()
    (place / "empty").write_text("FROM scratch\nLABEL a=b\n")
    forked("build", "-q", "-t", "empty", "-f", place / "empty", place)
    _, err = forked.both("save", "--since", "empty", "-o", place / "whole.tar", "app:two")
    assert "nothing is left out" in err and (place / "whole.tar").stat().st_size > 100_000


def test_an_ordinary_user(registry: Registry, place: Path) -> None:
    folder = tempfile.mkdtemp(prefix="lamina-user-", dir=quick_place())
    try:
        user = ordinary_lamina(Path(folder), "one")
        name = registry.name("user")
        user("copy", "-q", "busybox", f"docker://{name}:1", **ONLINE)
        user("copy", "-q", f"docker://{name}:1", f"oci:{user.folder}/layout:x", **ONLINE)
        user("copy", "-q", f"oci:{user.folder}/layout:x", "again")
        assert user.inspect("again")["Id"] == user.inspect("busybox")["Id"]
        assert {path.stat().st_uid for path in (user.folder / "layout").rglob("*")} == {user.uid}
    finally:
        remove(folder)


@contextmanager
def stalling(liar: Liar, name: str) -> Iterator[threading.Event]:
    """A registry that sends half of a layer and then nothing; the event says that it has."""
    made = image({"big": noise(200_000)}, {"b": b"2"})
    (sent, over), data = (threading.Event(), threading.Event()), made.blobs[made.layers[0]]

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data[: len(data) // 2])
        handler.wfile.flush()
        sent.set()
        over.wait(30)

    liar.put(made, name)
    liar.site.pages[f"/v2/{name}/blobs/{made.layers[0]}"] = answer
    try:
        yield sent
    finally:
        over.set()


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("oci", signal.SIGKILL),
        ("oci", signal.SIGINT),
        ("oci-archive", signal.SIGKILL),
        ("oci-archive", signal.SIGINT),
    ],
)
def test_what_breaks_off_leaves_nothing_half(
    lamina: Lamina, liar: Liar, place: Path, kind: str, how: int
) -> None:
    target = f"{kind}:{place}/out:x"
    if kind != "oci":
        (place / "out").write_bytes(b"before")
    with stalling(liar, "slow") as sent:
        process = lamina.start("copy", f"docker://{liar.host}/slow", target, environ=ONLINE)
        try:
            assert sent.wait(20)
            time.sleep(0.1)
            os.kill(process.pid, how)
            output, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert process.returncode in (-signal.SIGKILL, 130) and b"Traceback" not in output
    if kind != "oci":
        assert (place / "out").read_bytes() == b"before"
        assert os.listdir(place) == ["out"]
    else:
        found = files(place / "out") if (place / "out").exists() else set()
        assert all(name.startswith("blobs/sha256/") and len(name) == 77 for name in found)
        for name in found:
            assert sha256((place / "out" / name).read_bytes())[7:] == name[13:]

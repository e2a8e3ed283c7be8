"""lamina push, and build with --push, as a user runs them, against Debian's docker-registry."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import pytest

from lamina.engine.engine import Engine
from lamina.engine.pushing import PushRequest
from lamina.errors import LaminaError
from lamina.oci import media
from lamina.oci.digest import sha256
from tests.e2e.conftest import lamina, new_root, remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import ordinary_lamina
from tests.faults.proxy import Phase, Proxy, Spoiled, before
from tests.machine import quick_place
from tests.registry.conftest import place
from tests.registry.distribution import PASSWORD, USER, Registry, own_registry, running

__all__ = ["lamina", "place"]
ONLINE = {"LAMINA_OFFLINE": ""}
DOCKERFILE = 'FROM scratch\nCOPY a /a\nCOPY b /b\nCMD ["/a"]\n'


@pytest.fixture(scope="module")
def registry() -> Iterator[Registry]:
    """One for all tests here; each has a repository of its own."""
    with own_registry() as made:
        yield made


@pytest.fixture
def context(place: Path) -> Path:
    """A build context of two layers."""
    return make_context(place / "context")


@pytest.fixture(scope="module")
def built() -> Iterator[Lamina]:
    """Lamina with an image `app` of two layers, for tests that only push it."""
    with new_root("push") as made:
        folder = make_context(made.root.parent / "context")
        (folder / "a").write_bytes(os.urandom(6_000_000))  # too much to be packed in memory
        made("build", "-q", "-t", "app", folder)
        yield made


def make_context(folder: Path) -> Path:
    folder.mkdir()
    (folder / "Dockerfile").write_text(DOCKERFILE)
    (folder / "a").write_bytes(os.urandom(200_000))
    (folder / "b").write_text("b\n")
    return folder


def document(registry: Registry, path: str, name: str, *, port: int = 0) -> tuple[str, dict[str, Any]]:
    """A manifest as the registry has it, and its digest."""
    url = f"http://localhost:{port or registry.port}/v2/{path}/manifests/{name}"
    accept = ", ".join((media.MANIFEST, media.INDEX, media.DOCKER_MANIFEST))
    with urlopen(Request(url, headers={"Accept": accept}), timeout=10) as answer:
        data = answer.read()
    return sha256(data), json.loads(data)


def blob(registry: Registry, path: str, digest: str) -> dict[str, Any]:
    with urlopen(f"http://localhost:{registry.port}/v2/{path}/blobs/{digest}", timeout=10) as answer:
        return cast("dict[str, Any]", json.loads(answer.read()))


def layers_of(lamina: Lamina, name: str) -> list[str]:
    """What lines of a push call the layers, as they are listed: the top one first."""
    return [diff_id[7:19] for diff_id in reversed(lamina.inspect(name)["RootFS"]["Layers"])]


# --- what is said


def test_what_is_said(registry: Registry, lamina: Lamina, context: Path) -> None:
    name = registry.name("said/app:1.0")
    lamina("build", "-q", "-t", name, context)
    top, bottom = layers_of(lamina, name)
    first = lamina("push", name, **ONLINE).splitlines()
    digest, found = document(registry, "said/app", "1.0")
    end = f"1.0: digest: {digest} size: {len(json.dumps(found, separators=(',', ':')))}"
    begin = [f"The push refers to repository [{registry.host}/said/app]"]
    begin += [f"{top}: Preparing", f"{bottom}: Preparing"]
    assert first[:3] == begin and first[-1] == end
    assert sorted(first[3:-1]) == sorted([f"{top}: Pushed", f"{bottom}: Pushed"])
    again = lamina("push", name, **ONLINE).splitlines()
    assert again[:3] == begin and again[-1] == end
    assert sorted(again[3:-1]) == sorted(f"{each}: Layer already exists" for each in (top, bottom))
    mounted = lamina("image", "push", name, registry.name("said/other"), **ONLINE).splitlines()
    assert mounted[:2] == [
        "Using default tag: latest",
        f"The push refers to repository [{registry.host}/said/other]",
    ]
    assert f"{top}: Mounted from said/app" in mounted
    assert mounted[-1] == end.replace("1.0:", "latest:")
    digests = [f"{registry.host}/said/{each}@{digest}" for each in ("app", "other")]
    assert lamina.inspect(name)["RepoDigests"] == digests
    shown = lamina("images", "--digests", "--format", "{{.Repository}} {{.Tag}} {{.Digest}}").splitlines()
    assert shown == [f"{registry.host}/said/app 1.0 {digest}", f"{registry.host}/said/other <none> {digest}"]
    assert lamina("pull", name, **ONLINE).splitlines()[1:] == [
        f"Digest: {digest}",
        f"Status: Image is up to date for {name}",
        name,
    ]
    lamina("tag", name, "kept")
    assert lamina("rmi", name).splitlines() == [f"Untagged: {name}", f"Untagged: {digests[0]}"]
    assert lamina.inspect("kept")["RepoDigests"] == [digests[1]]


def test_quiet_and_digestfile(registry: Registry, built: Lamina, place: Path) -> None:
    name, file = registry.name("quiet:1"), place / "digest"
    flags = ("-q", "--digestfile", file)
    assert built.both("push", *flags, "app", f"docker://{name}", **ONLINE) == (f"{name}\n", "")
    with new_root("quiet") as there:
        there("pull", f"{registry.name('quiet')}@{file.read_text()}", **ONLINE)
        row = "{{.Repository}} {{.Tag}}"
        assert there("images", "--filter=dangling=true", "--format", row) == f"{registry.host}/quiet <none>\n"
        assert there.both("pull", "-q", name, **ONLINE) == (f"{name}\n", "")
    assert file.read_text() == document(registry, "quiet", "1")[0]


def test_all_tags(registry: Registry, lamina: Lamina, context: Path) -> None:
    name = registry.name("all/app")
    lamina("build", "-q", "-t", f"{name}:1", context)
    (context / "b").write_text("2\n")
    lamina("build", "-q", "-t", f"{name}:2", context)
    ends = lamina("push", "--all-tags", name, **ONLINE).splitlines()[-2:]
    assert [end.partition(" size")[0] for end in ends] == [
        f"{tag}: digest: {document(registry, 'all/app', tag)[0]}" for tag in ("1", "2")
    ]
    with new_root("all-tags") as there:
        lines = there("pull", "-a", name, **ONLINE).splitlines()
        assert [line for line in lines if line[12:14] != ": "] == [
            "1: Pulling from all/app",
            ends[0].split()[1].title() + " " + ends[0].split()[2],
            "2: Pulling from all/app",
            ends[1].split()[1].title() + " " + ends[1].split()[2],
            f"Status: Downloaded newer image for {name}",
            name,
        ]
        again = there("pull", "-a", name, **ONLINE).splitlines()
        assert again[-2] == f"Status: Image is up to date for {name}"


def test_what_cannot_be_pushed(built: Lamina) -> None:
    _, err = built.both("push", "nosuch", status=1, **ONLINE)
    assert err == "lamina: An image does not exist locally with the tag: nosuch\n"
    _, err = built.both("push", "--compression-level", "x", "app", status=1, **ONLINE)
    assert "invalid --compression-level 'x'" in err


WRONG = {
    "another tag": (PushRequest("app:other"), "tag does not exist: app:other"),
    "a tag and all": (PushRequest("app:1", all_tags=True), "tag can't be used with --all-tags/-a"),
    "all of nothing": (PushRequest("nosuch", all_tags=True), "does not exist locally with the tag: nosuch"),
    "a digest": (PushRequest(f"app@sha256:{'0' * 64}"), "cannot push a digest reference"),
    "a compression": (PushRequest("app", "localhost:1/x", compression="xz"), "unknown compression 'xz'"),
    "nobody there": (PushRequest("app", "localhost:1/x"), "connection refused"),
}


@pytest.mark.parametrize("case", WRONG)
def test_requests_that_fail(built: Lamina, case: str) -> None:
    request, words = WRONG[case]
    with Engine.open(str(built.root), environ={}) as engine, pytest.raises(LaminaError, match=words):
        engine.push(request)


def test_offline(built: Lamina) -> None:
    with (
        Engine.open(str(built.root), environ={"LAMINA_OFFLINE": "1"}) as engine,
        pytest.raises(LaminaError, match="Lamina is offline here"),
    ):
        engine.push(PushRequest("app", "localhost:1/x"))


def test_without_credentials(built: Lamina, place: Path) -> None:
    with running(place / "r", users=True, tls=True) as registry:
        name = registry.name("secret/app:1")
        environ = ONLINE | {"DOCKER_CONFIG": str(place), "HOME": str(place)}
        _, err = built.both("push", "app", name, status=1, **environ)
        assert registry.host in err and "secret/app" in err and "hint: " in err
        auth = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        (place / "config.json").write_text(json.dumps({"auths": {registry.host: {"auth": auth}}}))
        assert built("push", "-q", "app", name, **environ) == f"{name}\n"
        flags = ("--tls-verify=false", "--creds", f"{USER}:{PASSWORD}")
        run = ["skopeo", "inspect", *flags, f"docker://{name}"]
        found = json.loads(subprocess.run(run, check=True, capture_output=True, timeout=30).stdout)
        assert len(found["Layers"]) == 2


# --- in a terminal


def in_terminal(lamina: Lamina, *args: str) -> str:
    """What the command writes to a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    with lamina.start(*args, stdout=theirs, stderr=theirs, environ=ONLINE | {"TERM": "xterm"}) as process:
        os.close(theirs)
        found = b""
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not data:
                break
            found += data
        os.close(ours)
        assert process.wait(30) == 0, found
    return found.decode()


def test_the_layers_in_a_terminal(registry: Registry, built: Lamina) -> None:
    name = registry.name("terminal:1")
    top, bottom = layers_of(built, "app")
    shown = in_terminal(built, "push", "app", name)
    last = shown.rpartition("\x1b[2A")[2]  # the last picture of two lines
    assert re.search(rf"{top}: (Pushed|Mounted from .*)\r\n", last) and f"{bottom}: " in last
    assert "1: digest: sha256:" in shown.splitlines()[-1]
    with new_root("terminal") as there:
        shown = in_terminal(there, "pull", name)
        assert ": Pull complete\r\n" in shown and "Status: Downloaded newer image" in shown
        assert "Pushing" not in shown


# --- Ctrl-C


def interrupted(lamina: Lamina, proxy: Proxy, *args: str) -> str:
    """What the command says when it is interrupted while the registry keeps it waiting."""
    with lamina.start(*args, environ=ONLINE) as process:
        deadline = time.monotonic() + 20
        while not proxy.hits and time.monotonic() < deadline:
            time.sleep(0.01)
        assert proxy.hits, "it never came so far"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 130, out
        assert time.monotonic() - began < 4
    return out.decode()


def wait_for_the_end(it: Spoiled) -> None:
    it.proxy.over.wait(30)
    it.hang_up()


def leftovers(lamina: Lamina) -> list[str]:
    """Temporary files of the store."""
    return [
        str(path) for path in lamina.root.rglob("*") if ".tmp" in path.name or path.name.startswith("tmp")
    ]


@pytest.mark.parametrize(("method", "path"), [("PATCH", ".*/uploads/"), ("PUT", ".*/manifests/")])
def test_a_push_is_interrupted(registry: Registry, built: Lamina, method: str, path: str) -> None:
    with before(registry.port) as proxy:
        repository = f"stop-{method.lower()}"
        proxy.spoil(Phase("an upload", method, path), wait_for_the_end, lasting=True)
        push = ("push", "--compression", "zstd" if method == "PATCH" else "gzip", "app")
        assert "Traceback" not in interrupted(built, proxy, *push, f"{proxy.host}/{repository}:1")
        with pytest.raises(OSError, match="404"):
            document(registry, repository, "1")
        assert not leftovers(built)
        proxy.mend()
        built(*push, f"{proxy.host}/{repository}:1", **ONLINE)
        document(registry, repository, "1")


def test_a_pull_is_interrupted(registry: Registry, built: Lamina) -> None:
    built("push", "app", registry.name("stop-pull:1"), **ONLINE)
    layer = document(registry, "stop-pull", "1")[1]["layers"][0]["digest"]
    with before(registry.port) as proxy, new_root("stop-pull") as there:
        proxy.spoil(Phase("a layer", "GET", f".*/blobs/{layer}"), wait_for_the_end, lasting=True)
        name = f"{proxy.host}/stop-pull:1"
        assert "Traceback" not in interrupted(there, proxy, "pull", name)
        assert there("images", "-q") == "" and not leftovers(there)
        proxy.mend()
        there("pull", name, **ONLINE)


# --- an ordinary user


def test_an_ordinary_user_pushes(registry: Registry, context: Path, place: Path) -> None:
    """One with a single ID, who cannot have the files belong to whom they belong to."""
    place.chmod(0o755)
    folder = tempfile.mkdtemp(prefix="lamina-push-user-", dir=quick_place())
    try:
        user = ordinary_lamina(Path(folder), "one")
        name = registry.name("user:1")
        user("build", "-q", "-t", name, context)
        user("push", "-q", name, **ONLINE)
        assert blob(registry, "user", document(registry, "user", "1")[1]["config"]["digest"])
    finally:
        remove(folder)


# --- build --push


def test_build_pushes(registry: Registry, lamina: Lamina, context: Path, place: Path) -> None:
    name, file = registry.name("built:1"), place / "metadata"
    _, err = lamina.both(
        "build", "--push", "--progress=plain", "--metadata-file", file, "-t", name, context, **ONLINE
    )
    digest, found = document(registry, "built", "1")
    assert {layer["mediaType"] for layer in found["layers"]} == {media.LAYER_GZIP}
    told = json.loads(file.read_text())
    assert told["containerimage.digest"] == told["containerimage.descriptor"]["digest"] == digest
    assert told["containerimage.config.digest"] == lamina.inspect(name)["Id"] == found["config"]["digest"]
    assert f"pushing {name}\n" in err and f"pushing manifest for {name}@{digest}" in err
    assert lamina.inspect(name)["RepoDigests"] == [f"{registry.host}/built@{digest}"]
    _, again = lamina.both("build", "--push", "--progress=plain", "-t", name, context, **ONLINE)
    assert f"pushing manifest for {name}@{digest}" in again


@pytest.mark.parametrize(
    ("output", "media_type"),
    [
        ("type=registry,compression=zstd", media.LAYER_ZSTD),
        ("type=image,push=true,compression=uncompressed", media.LAYER),
        ("type=registry,oci-mediatypes=false", media.DOCKER_LAYER_GZIP),
        ("type=registry,compression=zstd:chunked", media.LAYER_ZSTD),
    ],
)
def test_outputs_say_how(registry: Registry, built: Lamina, output: str, media_type: str) -> None:
    path = "".join(letter if letter.isalnum() else "-" for letter in output)
    context = built.root.parent / "context"
    built("build", "-q", "-o", f"{output},name={registry.name(path)}", context, **ONLINE)
    found = document(registry, path, "latest")[1]
    assert {layer["mediaType"] for layer in found["layers"]} == {media_type}
    docker = media_type == media.DOCKER_LAYER_GZIP
    assert found["mediaType"] == (media.DOCKER_MANIFEST if docker else media.MANIFEST)


def test_push_by_digest(registry: Registry, built: Lamina, place: Path) -> None:
    context = built.root.parent / "context"
    output = f"type=image,push-by-digest=true,name={registry.name('by-digest')}"
    built("build", "-q", "-o", output, "--metadata-file", place / "m", context, **ONLINE)
    digest = json.loads((place / "m").read_text())["containerimage.digest"]
    assert document(registry, "by-digest", digest)[0] == digest
    with pytest.raises(OSError, match="404"):
        document(registry, "by-digest", "latest")


def test_attestations_speak_of_what_was_pushed(
    registry: Registry, lamina: Lamina, context: Path, place: Path
) -> None:
    """Layers are compressed on their way, so the manifest is another one than in the store."""
    name = registry.name("attested:1")
    flags = ("--push", "--provenance=true", "--sbom=true", "--metadata-file", place / "m")
    lamina("build", "-q", *flags, "-t", name, context, **ONLINE)
    digest, found = document(registry, "attested", "1")
    told = json.loads((place / "m").read_text())
    assert told["containerimage.digest"] == digest and told["buildx.build.provenance"]
    ours, attestation = found["manifests"]
    assert attestation["annotations"]["vnd.docker.reference.digest"] == ours["digest"]
    image = document(registry, "attested", ours["digest"])[1]
    assert {layer["mediaType"] for layer in image["layers"]} == {media.LAYER_GZIP}
    statements = document(registry, "attested", attestation["digest"])[1]
    config = blob(registry, "attested", statements["config"]["digest"])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in statements["layers"]]
    assert len(statements["layers"]) == 2
    for layer in statements["layers"]:
        subjects = blob(registry, "attested", layer["digest"])["subject"]
        assert subjects and all(f"sha256:{each['digest']['sha256']}" == ours["digest"] for each in subjects)
    assert lamina("push", "-q", name, registry.name("attested:2"), **ONLINE)
    assert document(registry, "attested", "2")[0] == digest


def test_several_platforms(registry: Registry, lamina: Lamina, context: Path, place: Path) -> None:
    name = registry.name("several:1")
    flags = (
        "--push",
        "--platform=linux/amd64,linux/arm64",
        "--provenance=true",
        "--metadata-file",
        place / "m",
    )
    lamina("build", "-q", *flags, "-t", name, context, **ONLINE)
    digest, found = document(registry, "several", "1")
    assert found["mediaType"] == media.INDEX
    assert json.loads((place / "m").read_text())["containerimage.digest"] == digest
    platforms = [row["platform"]["architecture"] for row in found["manifests"]]
    assert platforms == ["amd64", "arm64", "unknown", "unknown"]
    spoken_of = [
        row["annotations"]["vnd.docker.reference.digest"]
        for row in found["manifests"]
        if "annotations" in row
    ]
    assert spoken_of == [row["digest"] for row in found["manifests"][:2]]
    arm = document(registry, "several", found["manifests"][1]["digest"])[1]
    with new_root("several") as there:
        there("pull", "-q", "--platform=linux/arm64", name, **ONLINE)
        assert there("images", "-q", "--no-trunc") == f"{arm['config']['digest']}\n"


def test_what_cannot_be_built_and_pushed(lamina: Lamina, context: Path) -> None:
    def error(*args: str, **environ: str) -> str:
        return lamina.both("build", *args, str(context), status=1, **(ONLINE | environ))[1]

    assert "tag is needed when pushing to registry" in error("--push")
    assert "connection refused" in error("--push", "-t", "localhost:1/x")
    (found,) = lamina("build", "ls", "--format", "{{.Status}}").splitlines()
    assert found.lower().startswith(("error", "failed"))

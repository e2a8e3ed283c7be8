"""`lamina registry serve` as a user runs it, and clients as they are: skopeo, and Lamina itself."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.cli.commands.registry_serve import address
from lamina.errors import InvalidInput
from lamina.oci.digest import sha256
from lamina.store.layout import Layout
from tests.e2e.conftest import remove
from tests.e2e.lamina_command import Lamina
from tests.e2e.ordinary import Ids, ordinary_lamina
from tests.machine import quick_place
from tests.registry.distribution import authority, need
from tests.registry.images import image, index
from tests.serving.site import eventually
from tests.serving.test_users import line

ONLINE = {"LAMINA_OFFLINE": ""}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def served(lamina: Lamina, *flags: str, listen: str = "127.0.0.1:0") -> Iterator[tuple[str, Path]]:
    """A registry in the background, ended by TERM: where it is, and the file with what it prints besides."""
    log = lamina.root.parent / "log"
    with open(log, "wb") as errors:
        process = lamina.start("registry", "serve", "--listen", listen, *flags, stderr=errors)
        try:
            assert process.stdout is not None
            said = process.stdout.readline().decode()
            assert said.startswith("listening on http"), log.read_text()
            yield said.split("//")[1].strip(), log
        finally:
            process.terminate()
            code = process.wait(20)
            process.stdout.close()  # type: ignore[union-attr]
    assert code == 0, log.read_text()


@pytest.fixture
def here(folder: Path) -> Lamina:
    return Lamina(folder / "here")


@pytest.fixture
def there(folder: Path) -> Lamina:
    (folder / "elsewhere").mkdir()
    return Lamina(folder / "elsewhere/store")


def skopeo(*args: str) -> str:
    need("skopeo")
    done = subprocess.run(["skopeo", *args], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def build(lamina: Lamina, folder: Path, name: str) -> None:
    context = folder / "context"
    context.mkdir(exist_ok=True)
    (context / "a").write_text("a")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY a /a\nCMD ["/a"]\n')
    lamina("build", "-q", "-t", name, context)


def test_from_store_to_store(here: Lamina, there: Lamina, folder: Path) -> None:
    """What is built on one machine is pulled on another, changed, and pushed back."""
    build(here, folder, "team/app")
    with served(here) as (host, _):
        there("pull", f"{host}/team/app", **ONLINE)
        build(there, folder, f"{host}/team/second")
        there("push", f"{host}/team/second", **ONLINE)
        images = [json.loads(row) for row in here("images", "--format", "json").splitlines()]
        assert {row["Repository"] for row in images} == {"team/app", "team/second"}
        assert "COPY a /a" in here("history", "team/second")
        here("tag", "team/second", "third")  # the store is not the server's alone
        here("prune", "-f")
        there("pull", f"{host}/third", **ONLINE)
        (third,) = there("images", "-q", "--no-trunc", f"{host}/third").split()
        (second,) = here("images", "-q", "--no-trunc", "team/second").split()
        assert third == second


def test_skopeo(here: Lamina, folder: Path) -> None:
    made = index(
        {"linux/amd64": image({"a": b"1"}), "linux/arm64": image({"b": b"2"}, platform="linux/arm64")}
    )
    source = made.layout(folder / "layout")
    build(here, folder, "built")
    with served(here) as (host, _):
        insecure = ("--src-tls-verify=false", "--dest-tls-verify=false")
        skopeo("copy", "-q", *insecure, "--all", "--preserve-digests", source, f"docker://{host}/app:1")
        skopeo("copy", "-q", *insecure, "--format", "v2s2", source, f"docker://{host}/app:docker")
        skopeo("copy", "-q", *insecure, f"docker://{host}/app:1", f"docker://{host}/team/copy:1")  # mounts
        found = json.loads(skopeo("inspect", "--tls-verify=false", "--raw", f"docker://{host}/app:1"))
        assert len(found["manifests"]) == 2
        tags = json.loads(skopeo("list-tags", "--tls-verify=false", f"docker://{host}/app"))
        assert tags["Tags"] == ["1", "docker"]
        skopeo("copy", "-q", *insecure, "--all", f"docker://{host}/app:1", f"oci:{folder}/out:it")
        skopeo("copy", "-q", *insecure, f"docker://{host}/built", f"docker-archive:{folder}/built.tar")
        skopeo("inspect", "--tls-verify=false", f"docker://{host}/library/built")  # as of a mirror of the hub
        skopeo("delete", "--tls-verify=false", f"docker://{host}/app:docker")
        with urllib.request.urlopen(f"http://{host}/v2/app/tags/list") as answer:
            assert json.load(answer)["tags"] == ["1"]
    listed = json.loads((folder / "out/index.json").read_text())["manifests"]
    assert [each["digest"] for each in listed] == [made.digest]


def test_users_and_tls(here: Lamina, there: Lamina, folder: Path) -> None:
    authority(folder, "localhost")
    (folder / "htpasswd").write_text(line("worker", "a secret"))
    build(here, folder, "app")
    build(there, folder, "app")
    flags = ["--tls-cert", f"{folder}/cert.pem", "--tls-key", f"{folder}/key.pem"]
    flags += ["--htpasswd", f"{folder}/htpasswd", "--anonymous-pull", "-v"]
    with served(here, *flags) as (host, log):
        secret = {"REGISTRY_AUTH_FILE": f"{folder}/auth.json", **ONLINE}
        there("pull", f"{host}/app", **ONLINE)
        there("tag", "app", f"{host}/mine")
        _, refused = there.both("push", f"{host}/mine", status=1, **ONLINE)
        assert "denied" in refused.lower() or "login" in refused.lower()
        there("login", "-u", "worker", "--password-stdin", host, stdin=b"a secret", **secret)
        there("push", f"{host}/mine", **secret)
        skopeo("inspect", "--tls-verify=false", "--no-creds", f"docker://{host}/mine")
        assert "/v2/mine/manifests/latest" in log.read_text()
        assert "secret" not in log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_in_good_order(here: Lamina, number: int) -> None:
    process = here.start("registry", "serve", "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    try:
        host, _, port = process.stdout.readline().decode().split("//")[1].rpartition(":")
        with socket.create_connection((host, int(port))) as raw:
            begin = f"POST /v2/app/blobs/uploads/?digest={sha256(b'abcdef')} HTTP/1.1\r\n"
            raw.sendall(begin.encode() + b"Host: x\r\nContent-Length: 6\r\n\r\nabc")
            eventually(lambda: bool(Layout(str(here.root)).temps()))
            os.kill(process.pid, number)
            raw.sendall(b"def")  # what was begun is answered
            assert raw.recv(1000).startswith(b"HTTP/1.1 201 Created")
        assert process.wait(20) == 0
        assert process.stdout.read() == b""
        assert not os.listdir(here.root / "leases")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_what_it_leaves_when_it_is_killed_goes_with_the_next_command(here: Lamina) -> None:
    process = here.start("registry", "serve", "--listen", "127.0.0.1:0")
    assert process.stdout is not None
    try:
        host = process.stdout.readline().decode().split("//")[1].strip()
        asked = urllib.request.Request(f"http://{host}/v2/app/blobs/uploads/", method="POST")
        with urllib.request.urlopen(asked) as answer:
            assert answer.status == 202
        assert Layout(str(here.root)).temps()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    here("prune", "-f")
    assert not Layout(str(here.root)).temps()
    assert not os.listdir(here.root / "leases")


def test_flags_that_make_no_sense(here: Lamina) -> None:
    _, said = here.both("registry", "serve", "--tls-cert", "x", status=1)
    assert said.startswith("lamina: TLS needs a certificate and its key\nhint: ")
    for text in ("nowhere:x", "::1", "127.0.0.1:99999", "::", "x:", "[::1]"):
        with pytest.raises(InvalidInput, match="is not HOST:PORT"):
            address(text)


def test_addresses() -> None:
    assert address("127.0.0.1:0") == ("127.0.0.1", 0)
    assert address(":5000") == ("", 5000)
    assert address("[::1]:80") == ("::1", 80)
    assert address("5001") == ("", 5001)
    assert address("example.test") == ("example.test", 5000)


def test_what_is_heard_by_others_is_warned_of(here: Lamina) -> None:
    with served(here, listen=":0") as (host, log):
        port = host.rpartition(":")[2]
        for each in ("127.0.0.1", "[::1]"):
            with urllib.request.urlopen(f"http://{each}:{port}/v2/") as answer:
                assert answer.status == 200
        assert "warning: whoever reaches this address may push" in log.read_text()


@pytest.mark.parametrize("ids", ["one"])  # with "many" it is as with root
def test_as_an_ordinary_user(there: Lamina, ids: Ids) -> None:
    """Images with other owners than the one user that the disk may know come and go unchanged."""
    place = Path(tempfile.mkdtemp(prefix="lamina-serve-", dir=quick_place()))
    try:
        (place / "user").mkdir()
        place.chmod(0o755)
        here = ordinary_lamina(place / "user", ids)
        with served(here) as (host, _):
            there("pull", f"{host}/busybox", **ONLINE)
            there("tag", f"{host}/busybox", f"{host}/back")
            there("push", f"{host}/back", **ONLINE)
            there("rmi", f"{host}/busybox", f"{host}/back")
            there("pull", f"{host}/back", **ONLINE)
        assert here("run", "--rm", "back", "echo", "it runs") == "it runs\n"
    finally:
        remove(str(place))

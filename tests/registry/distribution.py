"""Debian's docker-registry as a process of the tests' own: on a port of its own, also with users and TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from tests.machine import quick_place
from tests.registry.counting import Requests, counting

USER, PASSWORD = "worker", "a secret"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: {deletes}}}
http:
  addr: 127.0.0.1:{port}
"""


@dataclass(frozen=True)
class Registry:
    """One that runs. `host` begins the names of its images."""

    folder: Path
    port: int
    users: bool = False
    tls: bool = False
    requests: Requests = field(default_factory=Requests)  # what was asked, if `running` was told to count

    @property
    def certs(self) -> str:
        """A folder certs.d with the CA that signed this registry's certificate."""
        return str(self.folder / "certs.d")

    @property
    def host(self) -> str:
        return f"localhost:{self.port}"

    def name(self, path: str) -> str:
        return f"{self.host}/{path}"

    def push(self, source: str, path: str, *more: str) -> str:
        """Copies an image of skopeo's kind (docker-archive:FILE) here; its name."""
        flags = ["--dest-tls-verify=false", *more]
        if self.users:
            flags += [f"--dest-creds={USER}:{PASSWORD}"]
        command = ["skopeo", "copy", "--quiet", *flags, source, f"docker://{self.name(path)}"]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        return self.name(path)

    def blob(self, digest: str) -> Path:
        """The file of a blob, to be damaged."""
        found = digest.removeprefix("sha256:")
        return self.folder / f"data/docker/registry/v2/blobs/sha256/{found[:2]}/{found}/data"


def need(*programs: str) -> None:
    """Skips the test where a program is missing."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


@contextmanager
def running(
    folder: Path,
    *,
    users: bool = False,
    tls: bool = False,
    deletes: bool = True,
    clients: bool = False,
    count: bool = False,
) -> Iterator[Registry]:
    """A registry with its files in `folder`, until the block ends.

    `tls`: its certificate is signed by a CA of its own, which is in `certs`; `clients`: it wants one of the
    client too, which is there as well. `count`: `requests` has what is asked, and the bytes of it.
    """
    need("docker-registry", "skopeo")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = _CONFIG.format(folder=folder, port=port, deletes=str(deletes).lower())
    if tls or clients:
        authority(folder, f"localhost:{port}", clients=clients)
        more = f", clientcas: [{folder}/ca.pem]" if clients else ""
        config += f"  tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem{more}}}\n"
    if users:
        need("htpasswd")
        line = subprocess.run(
            ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
        )
        (folder / "htpasswd").write_text(line.stdout)
        config += f"auth:\n  htpasswd: {{realm: here, path: {folder}/htpasswd}}\n"
    (folder / "config.yml").write_text(config)
    process = subprocess.Popen(  # which ends with us, also where the time limit of all tests ends us
        ["setpriv", "--pdeathsig", "TERM", "docker-registry", "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        if count:
            with counting(port) as (before, requests):
                yield Registry(folder, before, users, tls, requests)
        else:
            yield Registry(folder, port, users, tls or clients)
    finally:
        process.terminate()
        process.wait(10)


def authority(folder: Path, host: str, *, clients: bool = False) -> None:
    """cert.pem and key.pem, signed by ca.pem, which is in certs.d/HOST too, with a client's if asked for."""
    need("openssl")
    kept = folder / "certs.d" / host
    kept.mkdir(parents=True)
    _openssl("req", "-x509", *_NEW_KEY, "-subj", "/CN=CA", "-keyout", "ca.key", "-out", "ca.pem", at=folder)
    shutil.copy(folder / "ca.pem", kept / "ca.crt")
    _sign(folder, "cert.pem", "key.pem", "subjectAltName=DNS:localhost,IP:127.0.0.1")
    if clients:
        mine = f"certs.d/{host}/client"
        _sign(folder, f"{mine}.cert", f"{mine}.key", "extendedKeyUsage=clientAuth")


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


def _sign(folder: Path, certificate: str, key: str, extension: str) -> None:
    (folder / "extension").write_text(extension + "\n")
    _openssl("req", *_NEW_KEY, "-subj", "/CN=it", "-keyout", key, "-out", "request.pem", at=folder)
    given = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extension")
    _openssl("x509", "-req", "-in", "request.pem", *given, "-out", certificate, at=folder)


def _openssl(*args: str, at: Path) -> None:
    subprocess.run(["openssl", *args], check=True, capture_output=True, cwd=at)


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "the registry ended"
        try:
            with urlopen(f"http://127.0.0.1:{port}/v2/", timeout=5):
                return
        except HTTPError:
            return  # it wants a user, or TLS
        except (URLError, OSError):
            time.sleep(0.05)
    raise AssertionError("the registry does not answer")


@contextmanager
def own_registry(**more: bool) -> Iterator[Registry]:
    """`running` in a new folder of its own, which is gone afterwards: for fixtures that many tests share."""
    folder = Path(tempfile.mkdtemp(prefix="lamina-registry-", dir=quick_place()))
    try:
        with running(folder / "r", **more) as made:
            yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)

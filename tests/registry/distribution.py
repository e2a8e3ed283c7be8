"""Debian's docker-registry as a process of the tests' own: on a port of its own, also with users and TLS."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

USER, PASSWORD = "worker", "a secret"
_CONFIG = """\
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {folder}/data}}
  delete: {{enabled: true}}
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
def running(folder: Path, *, users: bool = False, tls: bool = False) -> Iterator[Registry]:
    """A registry with its files in `folder`, until the block ends."""
    need("docker-registry", "skopeo")
    folder.mkdir(parents=True, exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = _CONFIG.format(folder=folder, port=port)
    if tls:
        certificate(folder)
        config += f"  tls: {{certificate: {folder}/cert.pem, key: {folder}/key.pem}}\n"
    if users:
        need("htpasswd")
        line = subprocess.run(
            ["htpasswd", "-Bbn", USER, PASSWORD], check=True, capture_output=True, text=True
        )
        (folder / "htpasswd").write_text(line.stdout)
        config += f"auth:\n  htpasswd: {{realm: here, path: {folder}/htpasswd}}\n"
    (folder / "config.yml").write_text(config)
    process = subprocess.Popen(
        ["docker-registry", "serve", str(folder / "config.yml")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(port, process)
        yield Registry(folder, port, users, tls)
    finally:
        process.terminate()
        process.wait(10)


def certificate(folder: Path, host: str = "localhost") -> None:
    """cert.pem and key.pem, which nobody signed."""
    need("openssl")
    names = f"subjectAltName=DNS:{host},IP:127.0.0.1"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "1", "-subj", f"/CN={host}", "-addext", names]
    command += ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/cert.pem"]
    subprocess.run(command, check=True, capture_output=True)


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

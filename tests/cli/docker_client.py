"""Docker's own client against a server with prepared answers: the oracle for output and messages."""

from __future__ import annotations

import json
import os
import shutil
import socketserver
import subprocess
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DOCKER = shutil.which("docker") or ""


class Done(NamedTuple):
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str


class _Handler(BaseHTTPRequestHandler):
    """Answers from the server's table: the path without its version and query."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        answers: dict[str, object] = self.server.answers  # type: ignore[attr-defined]
        found = path == "/_ping" or path in answers
        body = json.dumps(answers.get(path, {"message": f"no such thing: {path}"})).encode()
        self.send_response(200 if found else 404)
        self.send_header("Api-Version", "1.50")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Silent."""

    def address_string(self) -> str:
        return "unix"


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextmanager
def serving(folder: Path, answers: dict[str, object]) -> Iterator[str]:
    """A server on a socket in `folder`; yields its DOCKER_HOST."""
    path = str(folder / "docker.sock")
    with _Server(path, _Handler) as server:
        server.answers = answers  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            server.shutdown()
            thread.join()


def docker(host: str, *words: str) -> Done:
    """Runs Docker's client."""
    environ = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "DOCKER_HOST": host, "TZ": "UTC"}
    done = subprocess.run(
        [DOCKER, *words], capture_output=True, text=True, env=environ, timeout=60, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)

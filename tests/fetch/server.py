"""Servers for tests, real ones: HTTP with all that can happen on the way, TLS, and Git over HTTP."""

from __future__ import annotations

import os
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

MODIFIED = 1_600_000_000
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Answers from `site`: a path has bytes, or a function that answers."""

    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        self.site.asked.append((self.command, self.path, dict(self.headers)))
        path = self.path if self.path.startswith("/") else urlsplit(self.path).path  # as a proxy is asked
        found = self.site.pages.get(path) or self.site.pages.get(path.partition("?")[0])
        if found is None and self.site.repositories and ".git" in path:
            git_http(self, self.site.repositories)
        elif found is None:
            self.site.default(self)
        elif isinstance(found, bytes):
            self.file(found)
        else:
            found(self)

    do_HEAD = do_GET
    do_POST = do_GET
    do_PUT = do_GET
    do_PATCH = do_GET
    do_DELETE = do_GET

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """One answer; names of headers with _ for -."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def file(self, data: bytes, **headers: str) -> None:
        """A file as servers send them: with a date, an ETag, and parts of it."""
        etag = f'"{hash(data) & 0xFFFFFFFF:x}"'
        headers = {"Last_Modified": formatdate(MODIFIED, usegmt=True), "ETag": etag, **headers}
        if self.headers.get("If-None-Match") == etag:
            self.reply(304, ETag=etag)
            return
        asked = self.headers.get("Range", "")
        if asked and self.headers.get("If-Range") == etag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            part = f"bytes {start}-{len(data) - 1}/{len(data)}"
            self.reply(206, data[start:], Content_Range=part, **headers)
            return
        self.reply(200, data, **headers)

    def broken(self, data: bytes, sent: int, **headers: str) -> None:
        """Promises `data`, and hangs up after `sent` bytes."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data[:sent])
        self.wfile.flush()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing on the terminal."""


@dataclass
class Site:
    """One server. `asked` has the method, path and headers of every request."""

    url: str = ""
    pages: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    repositories: str = ""
    default: Answer = lambda handler: handler.reply(404)

    @property
    def paths(self) -> list[str]:
        return [path for _, path, _ in self.asked]

    def header(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, _, headers in self.asked]


@contextmanager
def serve(context: ssl.SSLContext | None = None, host: str = "127.0.0.1", port: int = 0) -> Iterator[Site]:
    """A server of its own, until the block ends."""
    site = Site()
    server = ThreadingHTTPServer((host, port), type("OwnHandler", (Handler,), {"site": site}))
    server.daemon_threads = True
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    scheme = "http" if context is None else "https"
    site.url = f"{scheme}://{'localhost' if host == '127.0.0.1' else host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for localhost, and the certificate that signs it, which nobody trusts yet."""
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *(
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-nodes",
                "-days",
                "2",
            ),
            *(
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-keyout",
                str(key),
                "-out",
                str(certificate),
            ),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate


def git_http(handler: Handler, root: str) -> None:
    """One request to `git http-backend`, as any web server would pass it on (CGI)."""
    path, _, query = handler.path.partition("?")
    body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
    environment = {
        "PATH": os.environ["PATH"],
        "GIT_PROJECT_ROOT": root,
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
        "REQUEST_METHOD": handler.command,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_TYPE": handler.headers.get("Content-Type", ""),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_CONTENT_ENCODING": handler.headers.get("Content-Encoding", ""),
        "GIT_PROTOCOL": handler.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": "127.0.0.1",
    }
    done = subprocess.run(["git", "http-backend"], input=body, env=environment, capture_output=True)
    head, _, data = done.stdout.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().splitlines())
    status = int(headers.pop("Status", "200").split()[0])
    handler.reply(status, data, **{name.replace("-", "_"): value for name, value in headers.items()})


class Repository:
    """A Git repository that tests write to: `repo.commit({...})`; it is served as NAME.git."""

    def __init__(self, root: Path, name: str, *arguments: str) -> None:
        self.folder = root / f"{name}.git"
        self.tree = root / f"{name}-tree"
        self.tree.mkdir(parents=True)
        self.run("init", "--quiet", "-b", "main", *arguments, str(self.tree), cwd=root)
        self.run("config", "protocol.file.allow", "always")
        self.count = 0

    def run(self, *args: str, cwd: Path | None = None) -> str:
        identity = {
            f"GIT_{who}_{what}": "t@t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
        }
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": "/nonexistent",
            "GIT_CONFIG_NOSYSTEM": "1",
            **identity,
            "GIT_AUTHOR_DATE": f"{MODIFIED} +0000",
            "GIT_COMMITTER_DATE": f"{MODIFIED} +0000",
        }
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *args],
            cwd=cwd or self.tree,
            env=environment,
            check=True,
            capture_output=True,
        )
        return done.stdout.decode().strip()

    def commit(self, files: dict[str, str | bytes]) -> str:
        """Writes files, commits all, and publishes; returns the commit's ID."""
        for name, content in files.items():
            path = self.tree / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.run("add", "--all", "--force")
        self.count += 1
        self.run("commit", "--quiet", "--allow-empty", "-m", f"number {self.count}")
        self.publish()
        return self.run("rev-parse", "HEAD")

    def publish(self) -> None:
        """Makes the served copy what the tree's repository is; also for servers that only serve files."""
        if not self.folder.exists():
            self.run("clone", "--quiet", "--bare", str(self.tree), str(self.folder))
        self.run("push", "--quiet", "--force", "--mirror", str(self.folder))
        self.run("update-server-info", cwd=self.folder)

"""A store that is served by a thread of the test, and a client that asks it byte for byte."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from lamina.events import Event, Notice
from lamina.gc.collect import collect
from lamina.gc.context import Context
from lamina.layers.context import Layers
from lamina.oci.digest import sha256
from lamina.serving.serve import serve
from lamina.serving.settings import ServeSettings
from tests.registry.images import Made


@dataclass
class Answer:
    """What the server said."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """The error's code."""
        return str(self.json["errors"][0]["code"])

    @property
    def place(self) -> str:
        return self.headers["Location"]


@dataclass
class Site:
    """A server that runs; `told` is what it said on this machine."""

    store: Layers
    host: str
    told: list[str]
    user: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str
    ) -> Answer:
        """One request on a connection of its own; `Content_Type` is Content-Type."""
        connection = http.client.HTTPConnection(self.host, timeout=20)
        named = self.headers | {name.replace("_", "-"): value for name, value in headers.items()}
        if self.user and "Authorization" not in named:
            named["Authorization"] = "Basic " + base64.b64encode(self.user.encode()).decode()
        try:
            connection.request(method, path, body, named)
            with connection.getresponse() as found:
                return Answer(found.status, found.headers, found.read())
        finally:
            connection.close()

    def upload(self, data: bytes, repository: str) -> Answer:
        """A blob in one request."""
        return self.ask("POST", f"/v2/{repository}/blobs/uploads/?digest={sha256(data)}", data)

    def put(self, made: Made, reference: str, repository: str) -> Answer:
        """The document alone."""
        path = f"/v2/{repository}/manifests/{reference}"
        return self.ask("PUT", path, made.data, Content_Type=made.media_type)

    def push(self, made: Made, repository: str = "app", tag: str = "1") -> Answer:
        """An image or an index with all that belongs to it."""
        for data in made.blobs.values():
            assert self.upload(data, repository).status == 201
        for digest, (data, media_type) in made.manifests.items():
            assert self.put(Made(data, media_type), digest, repository).status == 201
        return self.put(made, tag, repository)


@contextmanager
def running(store: Layers, **settings: Any) -> Iterator[Site]:
    """The store, served on a port that is free."""
    told: list[str] = []
    listens = threading.Event()
    failed: list[BaseException] = []

    def tell(event: Event) -> None:
        if isinstance(event, Notice):
            told.append(event.text)
        listens.set()

    def work() -> None:
        try:
            chosen = ServeSettings(port=0)._replace(**settings)
            serve(store, chosen, tell, ours, lambda: collect(Context(*store)))
        except BaseException as error:
            failed.append(error)
        finally:
            store.db.close()
            listens.set()

    ours, theirs = os.pipe()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        listens.wait(10)
        if failed:
            raise failed[0]
        yield Site(store, told[0].partition("//")[2], told)
    finally:
        os.close(theirs)
        thread.join(30)
        os.close(ours)
        assert not thread.is_alive()
    assert not failed


def eventually(true: Callable[[], bool]) -> None:
    """Waits until something is true that another thread does."""
    for _ in range(300):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it does not become true")

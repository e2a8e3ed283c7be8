"""push through a proxy that spoils one phase: it ends well, or with a clear error and no tag of a part."""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from lamina.db import names
from lamina.errors import LaminaError
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.registry.settings import Settings
from lamina.transfer.pull import pull
from lamina.transfer.push import push
from tests.faults.proxy import FAULTS, Phase, Proxy
from tests.faults.test_pull_faults import ALWAYS, MADE, PASSING, TOP, WORDS, assert_clear, some
from tests.layers.stores import open_store
from tests.machine import quick_place
from tests.registry.distribution import Registry

HAS_BLOB = Phase("whether a blob is there", "HEAD", f"/v2/.*/blobs/{TOP}")
BEGIN = Phase("the beginning of an upload", "POST", r"/v2/.*/blobs/uploads/")
UPLOAD = Phase("an upload", "PUT", f"/v2/.*/blobs/uploads/.*{TOP.partition(':')[2]}")
HAS_TAG = Phase("what the tag is", "HEAD", r"/v2/.*/manifests/1$")
MANIFEST = Phase("the manifest", "PUT", r"/v2/.*/manifests/1$")
PHASES = (HAS_BLOB, BEGIN, UPLOAD, HAS_TAG, MANIFEST)

SENT = {"flip sent", "drop sent"}
OF_UPLOADS = {"wrong location", "wrong range"}
NUMBERS = itertools.count()


def cases() -> Iterator[Any]:
    for phase in PHASES:
        for name in FAULTS:
            mangles = (name in SENT and phase.method == "PUT") or (name in OF_UPLOADS and phase is BEGIN)
            if name in PASSING or name in WORDS or mangles or name == "413":
                yield pytest.param(phase, name, False, id=f"{phase.name}-{name}-once")
            if name in ALWAYS - {"short", "flip", "cut in the body"} or mangles:
                yield pytest.param(phase, name, True, id=f"{phase.name}-{name}-always")


@pytest.fixture(scope="module")
def store(registry: Registry) -> Iterator[Layers]:
    """A store with the image that is pushed."""
    folder = tempfile.mkdtemp(prefix="lamina-faults-store-", dir=quick_place())
    made = open_store(f"{folder}/store")
    try:
        pull(made, references.parse(f"{registry.host}/app:1"), Settings())
        yield made
    finally:
        made.db.close()
        made.lease.release()
        shutil.rmtree(folder, ignore_errors=True)


def send(store: Layers, source: str, target: str) -> str:
    found = names.resolve_image(store.db.read(), source)
    return push(store, found, references.parse(target), Settings()).descriptor.digest


@pytest.mark.parametrize(("phase", "name", "lasting"), some(cases()))
def test_a_fault(
    proxy: Proxy, registry: Registry, store: Layers, phase: Phase, name: str, lasting: bool
) -> None:
    source, path = f"{registry.host}/app:1", f"fault{next(NUMBERS)}/app"
    with store.db.write() as tx:  # the port may have been another proxy's: nothing is mounted from there
        tx.execute("DELETE FROM places WHERE repository LIKE ?", (f"{proxy.host}/%",))
    proxy.spoil(phase, FAULTS[name], lasting=lasting)
    try:
        done = send(store, source, f"{proxy.host}/{path}:1")
    except LaminaError as error:
        assert lasting or name not in PASSING, error.message
        assert_clear(error, proxy)
        there = tag_of(registry, path)
        if there is not None and name not in SENT:  # only the answer was lost
            assert_whole(registry, there)
        proxy.mend()
        done = send(store, source, f"{proxy.host}/{path}:1")
    assert proxy.hits, "the fault never happened"
    assert done == MADE.digest
    assert_whole(registry, tag_of(registry, path))


def tag_of(registry: Registry, path: str) -> bytes | None:
    """The manifest that the tag stands for, straight from the registry."""
    url = f"http://{registry.host}/v2/{path}/manifests/1"
    try:
        with urlopen(Request(url, headers={"Accept": media.MANIFEST}), timeout=5) as answer:
            return bytes(answer.read())
    except HTTPError as error:
        assert error.code == 404
        return None


def assert_whole(registry: Registry, manifest: bytes | None) -> None:
    """The manifest is ours, and all that it names has arrived as it was sent."""
    assert manifest == MADE.data
    named = json.loads(manifest)
    for each in (named["config"], *named["layers"]):
        data = Path(registry.blob(each["digest"])).read_bytes()
        assert (len(data), "sha256:" + hashlib.sha256(data).hexdigest()) == (each["size"], each["digest"])

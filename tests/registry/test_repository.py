"""Repository: names resolved, manifests and blobs verified, whatever the registry does."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lamina.errors import Corrupt, Denied, InvalidInput, LaminaError, NotFound, Unsupported
from lamina.fetch.failures import FetchFailed
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.repository import MAX_MANIFEST, Repository
from lamina.registry.settings import Mirror, Rule, Settings
from tests.fetch.server import Handler
from tests.layers.conftest import folder, make_store, store
from tests.registry.distribution import Registry
from tests.registry.images import image, noise
from tests.registry.liar import Liar, document

__all__ = ["folder", "make_store", "store"]
MADE = image({"a": b"1"}, {"b": b"2"})


def repository(name: str, settings: Settings | None = None) -> Repository:
    return Repository(references.parse(name), settings or Settings())


def described(made_digest: str, size: int | None = None) -> Descriptor:
    data = MADE.blobs[made_digest]
    return Descriptor(media.LAYER_GZIP, Digest(made_digest), len(data) if size is None else size)


def fetch_blob(liar: Liar, store: Layers, size: int | None = None) -> bool:
    with repository(f"{liar.host}/app") as found:
        found.resolve()
        return found.blob(described(MADE.layers[0], size), store.blobs, lambda done, total: None)


def test_a_tag_is_resolved_by_one_question(registry: Registry, place: Path) -> None:
    name = registry.push(MADE.layout(place / "layout"), "some/app:1.0")
    with repository(name) as found:
        digest = found.resolve()
        assert digest == MADE.digest
        assert found.document(digest).data == MADE.data
        assert found.document(digest).media_type == media.MANIFEST


def test_the_question_fetches_nothing(liar: Liar) -> None:
    with repository(liar.put(MADE, "app")) as found:
        assert found.resolve() == MADE.digest
    assert liar.asked("HEAD") == ["/v2/app/manifests/latest"]
    assert not liar.asked("GET")


def test_a_registry_that_answers_no_head(liar: Liar) -> None:
    def answer(handler: Handler) -> None:
        if handler.command == "HEAD":
            handler.reply(405)
        else:
            handler.reply(200, MADE.data, Content_Type=MADE.media_type)

    liar.put(MADE, "app")
    liar.site.pages["/v2/app/manifests/latest"] = answer
    with repository(f"{liar.host}/app") as found:
        assert found.resolve() == MADE.digest


def test_a_blob_is_verified_and_stored(liar: Liar, store: Layers) -> None:
    liar.put(MADE, "app")
    assert fetch_blob(liar, store)
    assert store.blobs.read(Digest(MADE.layers[0])) == MADE.blobs[MADE.layers[0]]
    assert not fetch_blob(liar, store)  # it is there
    assert len([path for path in liar.asked() if "/blobs/" in path]) == 1


@pytest.mark.parametrize("data", [b"something else", noise(100_000), b""], ids=["other", "longer", "empty"])
def test_a_wrong_blob_is_refused_and_not_kept(liar: Liar, store: Layers, data: bytes) -> None:
    liar.put(MADE, "app")
    liar.site.pages[f"/v2/app/blobs/{MADE.layers[0]}"] = data
    with pytest.raises(Corrupt, match=f"blob {MADE.layers[0][7:19]} of {liar.host}/app:latest is not what"):
        fetch_blob(liar, store)
    assert not list(store.blobs.walk())


def test_a_size_that_is_not_that_of_the_manifest(liar: Liar, store: Layers) -> None:
    liar.put(MADE, "app")
    with pytest.raises(Corrupt, match="is not what the manifest says"):
        fetch_blob(liar, store, size=len(MADE.blobs[MADE.layers[0]]) + 1)


def test_a_blob_goes_on_where_the_connection_broke(liar: Liar, store: Layers) -> None:
    data = noise(900_000)
    digest = sha256(data)
    liar.put(MADE, "app")
    first = [True]

    def answer(handler: Handler) -> None:
        if first.pop() if first else False:
            handler.broken(data, 800_000, ETag='"x"')
            return
        asked = handler.headers["Range"]
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        assert start > 0
        part = f"bytes {start}-{len(data) - 1}/{len(data)}"
        handler.reply(206, data[start:], Content_Range=part, ETag='"x"')

    liar.site.pages[f"/v2/app/blobs/{digest}"] = answer
    with repository(f"{liar.host}/app") as found:
        found.resolve()
        found.blob(Descriptor(media.LAYER, digest, len(data)), store.blobs, lambda done, total: None)
    assert store.blobs.read(digest) == data


def test_a_blob_begins_again_where_it_cannot_go_on(liar: Liar, store: Layers) -> None:
    data = MADE.blobs[MADE.layers[0]]
    left = [10, 20]
    liar.put(MADE, "app")
    liar.site.pages[f"/v2/app/blobs/{MADE.layers[0]}"] = lambda handler: (
        handler.broken(data, left.pop()) if left else handler.reply(200, data)
    )
    assert fetch_blob(liar, store)


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_pass_is_tried_again(liar: Liar, status: int) -> None:
    liar.put(MADE, "app")
    answers = [status, status]
    good = document(MADE.data, MADE.media_type)
    liar.site.pages["/v2/app/manifests/latest"] = lambda handler: (
        handler.reply(answers.pop(), Retry_After="0") if answers else good(handler)
    )
    with repository(f"{liar.host}/app") as found:
        assert found.resolve() == MADE.digest
    assert not answers


def test_a_server_that_sends_pages(liar: Liar) -> None:
    liar.site.pages["/v2/app/manifests/latest"] = lambda handler: handler.reply(
        200, b"<html>Please log in</html>", Content_Type="text/html; charset=utf-8"
    )
    with pytest.raises(InvalidInput, match="'text/html', which is no manifest") as caught:
        repository(f"{liar.host}/app").resolve()
    assert "a registry?" in (caught.value.hint or "")


def test_a_manifest_that_is_not_what_its_digest_says(liar: Liar) -> None:
    liar.put(MADE, "app")
    liar.site.pages[f"/v2/app/manifests/{MADE.digest}"] = document(MADE.data + b" ", MADE.media_type)
    with repository(f"{liar.host}/app@{MADE.digest}") as found, pytest.raises(Corrupt, match="should be"):
        found.resolve()


def test_a_manifest_that_never_ends(liar: Liar) -> None:
    big = b" " * (MAX_MANIFEST + 1)
    liar.site.pages["/v2/app/manifests/latest"] = lambda handler: handler.reply(
        200, b"" if handler.command == "HEAD" else big, Content_Type=media.MANIFEST
    )
    with pytest.raises(InvalidInput, match=f"more than {MAX_MANIFEST} bytes"):
        repository(f"{liar.host}/app").resolve()


def test_a_manifest_of_schema_1(liar: Liar) -> None:
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    liar.site.pages["/v2/app/manifests/latest"] = lambda handler: handler.reply(200, b"{}", Content_Type=kind)
    with pytest.raises(Unsupported, match="schema 1"):
        repository(f"{liar.host}/app").resolve()


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (404, "MANIFEST_UNKNOWN", NotFound, "manifest for .*/app:latest not found: .*: manifest unknown: no"),
        (404, "NAME_UNKNOWN", NotFound, "pull access denied for .*/app, repository does not exist or may"),
        (401, "UNAUTHORIZED", Denied, "pull access denied for .*/app, repository does not exist or may"),
        (403, "DENIED", Denied, "pull access denied for .*/app, repository does not exist or may"),
        (500, "UNKNOWN", FetchFailed, "cannot fetch manifest of .*/app:latest: .* answered unknown: no"),
    ],
)
def test_refusals_in_the_words_of_docker(
    liar: Liar, status: int, code: str, kind: type[LaminaError], words: str
) -> None:
    body = json.dumps({"errors": [{"code": code, "message": "no\x1b[2J"}]}).encode()
    liar.site.pages["/v2/app/manifests/latest"] = lambda handler: handler.reply(status, body)
    with pytest.raises(kind, match=words) as caught:
        repository(f"{liar.host}/app").resolve()
    assert caught.value.message.isprintable()


def test_no_registry_at_all() -> None:
    with pytest.raises(FetchFailed, match=r"manifest of localhost:1/app:latest: .*: connection refused"):
        repository("localhost:1/app").resolve()


def test_without_tls_only_on_this_machine(liar: Liar) -> None:
    """A registry elsewhere is asked with TLS alone: here a name that leads nowhere."""
    with pytest.raises(FetchFailed, match="cannot look up"):
        repository("registry.invalid:5000/app").resolve()


# --- mirrors and other places


def test_a_mirror_is_asked_first(liar: Liar) -> None:
    liar.put(MADE, "library/busybox")
    settings = Settings((Rule("docker.io", mirrors=(Mirror(liar.host),)),))
    with repository("busybox", settings) as found:
        assert found.resolve() == MADE.digest
        assert found.document(Digest(MADE.digest)).data == MADE.data


def test_a_mirror_that_does_not_have_it(liar: Liar) -> None:
    liar.put(MADE, "app")
    mirrors = (Mirror("localhost:1"), Mirror(f"{liar.host}/mirrored"))
    settings = Settings((Rule(liar.host, mirrors=mirrors),))
    with repository(f"{liar.host}/app", settings) as found:
        assert found.resolve() == MADE.digest
    assert liar.asked("HEAD") == ["/v2/mirrored/app/manifests/latest", "/v2/app/manifests/latest"]


def test_a_registry_that_lies_elsewhere(liar: Liar) -> None:
    liar.put(MADE, "cache/some/app")
    settings = Settings((Rule("registry.invalid/some", location=f"{liar.host}/cache/some"),))
    with repository("registry.invalid/some/app", settings) as found:
        assert found.resolve() == MADE.digest

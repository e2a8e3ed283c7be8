"""Repository as a stream and in parts, its tags and referrers: whatever the registry does."""

from __future__ import annotations

import gzip
import json
import random
import threading
import time
from contextlib import suppress

import pytest

from lamina.errors import Cancelled, Corrupt, Denied, InvalidInput, LaminaError, NotFound
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops, Stop
from lamina.layers.context import Layers
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.failures import NoRanges
from lamina.registry.repository import Repository
from lamina.registry.settings import Mirror, Rule, Settings
from tests.fetch.server import Answer, Handler
from tests.layers.conftest import folder, make_store, store
from tests.registry.images import descriptor, image, noise
from tests.registry.liar import Liar, serve

__all__ = ["folder", "make_store", "store"]
MADE = image({"a": b"1"})
DATA = noise(900_000)
BLOB = Descriptor(media.LAYER, sha256(DATA), len(DATA))
PATH = f"/v2/app/blobs/{BLOB.digest}"


def repository(liar: Liar, settings: Settings | None = None, stop: Stop | None = None) -> Repository:
    return Repository(references.parse(f"{liar.host}/app"), settings or Settings(), stop)


def read(liar: Liar, descriptor: Descriptor = BLOB) -> bytes:
    with repository(liar) as found, found.open(descriptor) as stream:
        return stream.read()


def ranged(data: bytes = DATA, **headers: str) -> Answer:
    """Parts as registries and their storage send them."""

    def answer(handler: Handler) -> None:
        asked = handler.headers.get("Range")
        if asked is None:
            handler.reply(200, data, **headers)
            return
        start, _, end = asked.removeprefix("bytes=").partition("-")
        part = data[int(start) : int(end) + 1 if end else None]
        said = f"bytes {start}-{int(start) + len(part) - 1}/{len(data)}"
        handler.reply(206, part, Content_Range=said, **headers)

    return answer


# --- streams


def test_a_stream_is_the_blob(liar: Liar) -> None:
    liar.site.pages[PATH] = DATA
    assert read(liar) == DATA
    assert read(liar, Descriptor("", sha256(b""), 0)) == b""


def test_a_stream_goes_on_where_it_broke(liar: Liar) -> None:
    whole = ranged()
    first = [300_000, 200_000]

    def answer(handler: Handler) -> None:
        if not first:
            whole(handler)
        elif handler.headers.get("Range") is None:
            handler.broken(DATA, first.pop())
        else:
            start = int(handler.headers["Range"].removeprefix("bytes=").partition("-")[0])
            part = DATA[start:]
            handler.send_response(206)
            handler.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
            handler.send_header("Content-Length", str(len(part)))
            handler.end_headers()
            handler.wfile.write(part[: first.pop()])
            handler.close_connection = True

    liar.site.pages[PATH] = answer
    assert read(liar) == DATA
    starts = [value.partition("=")[2] for value in liar.site.header("Range") if value]
    assert len(starts) == 2
    assert all(not each.startswith("0-") for each in starts)


def test_a_stream_begins_again_where_it_cannot_go_on(liar: Liar) -> None:
    left = [500_000, 100_000]
    liar.site.pages[PATH] = lambda handler: (
        handler.broken(DATA, left.pop()) if left else handler.reply(200, DATA)
    )
    assert read(liar) == DATA


def test_progress_makes_up_for_breaks(liar: Liar) -> None:
    """A long blob over a bad line: what each attempt brings counts, not how many there are."""
    data = random.Random(2).randbytes(8 << 20)
    blob = Descriptor("", sha256(data), len(data))

    def answer(handler: Handler) -> None:
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        handler.send_response(206 if start else 200)
        handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start : start + (1 << 20) + 1])
        handler.close_connection = True

    liar.site.pages[f"/v2/app/blobs/{blob.digest}"] = answer
    assert read(liar, blob) == data
    out = _Out()
    with repository(liar) as found:
        found.receive(blob, out, lambda done, total: None)
    assert out.data == data


@pytest.mark.parametrize("status", [429, 503])
def test_a_stream_from_a_busy_registry(liar: Liar, status: int) -> None:
    left = [status, status]
    liar.site.pages[PATH] = lambda handler: (
        handler.reply(left.pop(), Retry_After="0") if left else handler.reply(200, DATA)
    )
    assert read(liar) == DATA


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (bytes(len(DATA)), "its bytes are sha256:"),
        (DATA + b"x", "sends 900001 bytes, and it should have 900000"),
        (DATA[:-1], "sends 899999 bytes"),
        (b"<html>", "sends 6 bytes"),
    ],
    ids=["other", "longer", "shorter", "page"],
)
def test_a_stream_of_wrong_bytes(liar: Liar, data: bytes, words: str) -> None:
    liar.site.pages[PATH] = data
    with pytest.raises(
        Corrupt, match=f"blob .* of {liar.host}/app:latest is not what the manifest says: .*{words}"
    ):
        read(liar)


def test_wrong_bytes_are_never_handed_out_to_the_end(liar: Liar) -> None:
    liar.site.pages[PATH] = bytes(len(DATA))
    got = 0
    with repository(liar) as found, found.open(BLOB) as stream, pytest.raises(Corrupt):
        while data := stream.read(10_000):
            got += len(data)
    assert got < len(DATA)


def test_a_stream_without_a_length(liar: Liar) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for start in range(0, len(DATA), 100_000):
            part = DATA[start : start + 100_000]
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(part), part))
        handler.wfile.write(b"3\r\nend\r\n0\r\n\r\n" if longer else b"0\r\n\r\n")

    liar.site.pages[PATH] = answer
    longer = False
    assert read(liar) == DATA
    longer = True
    with pytest.raises(Corrupt, match="it has more than 900000 bytes"):
        read(liar)


@pytest.mark.parametrize(("status", "kind"), [(404, NotFound), (403, Denied), (400, FetchFailed)])
def test_a_stream_that_is_refused(liar: Liar, status: int, kind: type[LaminaError]) -> None:
    liar.site.pages[PATH] = lambda handler: handler.reply(status)
    with pytest.raises(
        kind, match=f"blob .* of {liar.host}/app:latest: {liar.host} answered {status}"
    ) as caught:
        read(liar)
    assert "HTTP_AUTH" not in (caught.value.hint or "")


def test_a_stream_that_stalls(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", 0.1)
    over = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA[:10])
        over.wait(5)

    liar.site.pages[PATH] = answer
    with pytest.raises(FetchFailed, match=f"{liar.host}: no answer in time"):
        read(liar)
    over.set()


def test_a_few_bytes_now_and_then_are_a_stall(liar: Liar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", 0.05)
    over = threading.Event()

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        with suppress(OSError):
            while not over.wait(0.02):
                handler.wfile.write(b"x")

    liar.site.pages[PATH] = answer
    liar.site.pages["/v2/app/manifests/latest"] = answer
    begin = time.monotonic()
    with pytest.raises(FetchFailed, match="no answer in time"):
        read(liar)
    with repository(liar) as found, pytest.raises(FetchFailed, match="no answer in time"):
        found.resolve()
    over.set()
    assert time.monotonic() - begin < 5


def test_a_stop_in_the_middle_of_a_stream(liar: Liar) -> None:
    over, stop = threading.Event(), Stop(NeverStops())

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(DATA)))
        handler.end_headers()
        handler.wfile.write(DATA[:400_000])
        threading.Timer(0.1, stop.set).start()
        over.wait(5)

    liar.site.pages[PATH] = answer
    begin = time.monotonic()
    with repository(liar, stop=stop) as found, found.open(BLOB) as stream, pytest.raises(Cancelled):
        stream.read()
    assert time.monotonic() - begin < 2
    over.set()


def test_a_blob_that_lies_elsewhere_is_there(liar: Liar) -> None:
    """Storage refuses HEAD with an address that is made for GET."""
    with serve() as other:
        other.site.pages["/file"] = lambda handler: handler.reply(403)
        liar.site.pages[PATH] = lambda handler: handler.reply(307, Location=other.site.url + "/file")
        with repository(liar) as found:
            assert found.has_blob(BLOB.digest)
            liar.site.pages[PATH] = lambda handler: handler.reply(307, Location="/v2/app/blobs/none")
            assert not found.has_blob(BLOB.digest)
        assert not other.site.asked


# --- parts


def test_parts(liar: Liar) -> None:
    liar.site.pages[PATH] = ranged()
    with repository(liar) as found:
        assert found.part(BLOB, 100, 200) == DATA[100:200]
        assert found.part(BLOB, 0, 1) == DATA[:1]
        assert found.part(BLOB, len(DATA) - 5, len(DATA)) == DATA[-5:]
        assert found.part(BLOB, 7, 7) == b""
        with found.open_part(BLOB, 1000, 800_000) as stream:
            assert stream.read() == DATA[1000:800_000]
    assert [value for value in liar.site.header("Range") if value] == [
        "bytes=100-199",
        "bytes=0-0",
        "bytes=899995-899999",
        "bytes=1000-799999",
    ]


def test_parts_that_are_not_in_it(liar: Liar) -> None:
    with repository(liar) as found:
        for start, end in ((-1, 5), (5, 4), (0, len(DATA) + 1)):
            with pytest.raises(InvalidInput, match="are not in a blob of 900000"):
                found.part(BLOB, start, end)


def test_a_registry_without_parts(liar: Liar) -> None:
    liar.site.pages[PATH] = lambda handler: handler.reply(200, DATA)
    with repository(liar) as found, pytest.raises(NoRanges):
        found.part(BLOB, 100, 200)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Range": "bytes 0-99/900000"},
        {},
    ],
    ids=["other", "unsaid"],
)
def test_other_parts_than_asked(liar: Liar, headers: dict[str, str]) -> None:
    liar.site.pages[PATH] = lambda handler: handler.reply(206, DATA[:100], **headers)
    with repository(liar) as found, pytest.raises(NoRanges, match="sent another part"):
        found.part(BLOB, 100, 200)


def test_storage_that_calls_a_layer_encoded(liar: Liar) -> None:
    """Content-Encoding: gzip, where the blob itself is what was packed: it is taken as it is."""
    data = gzip.compress(DATA)
    blob = Descriptor(media.LAYER_GZIP, sha256(data), len(data))
    liar.site.pages[f"/v2/app/blobs/{blob.digest}"] = ranged(data, Content_Encoding="gzip")
    assert read(liar, blob) == data
    out = _Out()
    with repository(liar) as found:
        assert found.part(blob, 5, 20) == data[5:20]
        found.receive(blob, out, lambda done, total: None)
    assert out.data == data


def test_a_part_that_breaks_off(liar: Liar) -> None:
    whole, first = ranged(), [True]

    def answer(handler: Handler) -> None:
        if not first:
            whole(handler)
            return
        first.pop()
        handler.send_response(206)
        handler.send_header("Content-Range", f"bytes 1000-500999/{len(DATA)}")
        handler.send_header("Content-Length", "500000")
        handler.end_headers()
        handler.wfile.write(DATA[1000:200_000])
        handler.close_connection = True

    liar.site.pages[PATH] = answer
    with repository(liar) as found:
        assert found.part(BLOB, 1000, 501_000) == DATA[1000:501_000]


def test_parts_from_storage_elsewhere(liar: Liar) -> None:
    """The registry redirects to storage, which sees the range, and nothing of our rights."""
    with serve() as other:
        other.site.pages["/file"] = ranged()
        target = other.site.url.replace("localhost", "127.0.0.1") + "/file"
        liar.site.pages[PATH] = lambda handler: handler.reply(307, Location=target)
        with repository(liar) as found:
            assert found.part(BLOB, 5, 10) == DATA[5:10]
            with found.open(BLOB) as stream:
                assert stream.read() == DATA
            assert liar.asked() == ["/v2/", PATH][-1:], "the next parts are asked for where the first was"
            gone = other.site.pages.pop("/file")
            other.site.pages["/new"], target = gone, target.replace("/file", "/new")
            assert found.part(BLOB, 7, 9) == DATA[7:9]
        assert other.site.header("Authorization") == [None] * 4
        assert other.site.header("Range") == ["bytes=5-9", None, "bytes=7-8", "bytes=7-8"]
        assert other.site.paths == ["/file", "/file", "/file", "/new"]


# --- blobs in the store


class _Out:
    def __init__(self) -> None:
        self.data = b""
        self.restarts = 0

    def write(self, data: bytes) -> None:
        self.data += data

    def restart(self) -> None:
        self.data = b""
        self.restarts += 1


def test_a_receiver_is_told_when_it_begins_again(liar: Liar) -> None:
    left = [400_000]
    liar.site.pages[PATH] = lambda handler: (
        handler.broken(DATA, left.pop()) if left else handler.reply(200, DATA)
    )
    out = _Out()
    with repository(liar) as found:
        found.receive(BLOB, out, lambda done, total: None)
    assert out.data == DATA
    assert out.restarts >= 2  # when it begins, and when it begins again


@pytest.mark.parametrize("size", [len(DATA) - 1, len(DATA) + 1])
def test_a_receiver_of_another_size(liar: Liar, size: int) -> None:
    liar.site.pages[PATH] = DATA
    with repository(liar) as found, pytest.raises(Corrupt, match="is not what the manifest says"):
        found.receive(BLOB._replace(size=size), _Out(), lambda done, total: None)


def test_a_mirror_that_lacks_a_blob_or_has_another(liar: Liar, store: Layers) -> None:
    """The registry itself is asked then."""
    liar.put(MADE, "app")
    digest = MADE.layers[0]
    with serve() as mirror:
        mirror.put(MADE, "app")
        settings = Settings((Rule(liar.host, mirrors=(Mirror(mirror.host),)),))
        for number, page in enumerate((lambda handler: handler.reply(404), b"something else")):
            mirror.site.pages[f"/v2/app/blobs/{digest}"] = page  # type: ignore[assignment]
            with repository(liar, settings) as found:
                found.resolve()
                found.blob(
                    Descriptor("", Digest(digest), len(MADE.blobs[digest])),
                    store.blobs,
                    lambda done, total: None,
                )
            assert store.blobs.read(Digest(digest)) == MADE.blobs[digest]
            store.blobs.delete(Digest(digest))
            assert liar.asked().count(f"/v2/app/blobs/{digest}") == number + 1


# --- tags


def _tags(liar: Liar, settings: Settings | None = None) -> list[str]:
    with repository(liar, settings) as found:
        return found.tags()


def _page(*tags: str, link: str = "") -> Answer:
    body = json.dumps({"name": "app", "tags": list(tags)}).encode()
    return lambda handler: handler.reply(200, body, **({"Link": link} if link else {}))


@pytest.mark.parametrize(
    "link",
    [
        '</v2/app/tags/list?n=2&last=b>; rel="next"',
        '<x,y>; rel="last" ,</v2/app/tags/list?n=2&last=b>;title="a"; Rel = "next prefetch"',
        "<list?n=2&last=b>;rel=next",
        '<{url}/v2/app/tags/list?n=2&last=b>; title="x"; rel="next"',
        '<x>; rel="prev", </v2/app/tags/list?n=2&last=b>; rel="next"',
    ],
)
def test_pages_of_tags(liar: Liar, link: str) -> None:
    liar.site.pages["/v2/app/tags/list?n=1000"] = _page("a", "b", link=link.format(url=liar.site.url))
    liar.site.pages["/v2/app/tags/list?n=2&last=b"] = _page("c")
    assert _tags(liar) == ["a", "b", "c"]


def test_tags_of_a_repository_without_any(liar: Liar) -> None:
    liar.site.pages["/v2/app/tags/list"] = lambda handler: handler.reply(
        200, b'{"name": "app", "tags": null}'
    )
    assert _tags(liar) == []


def test_pages_without_an_end(liar: Liar) -> None:
    liar.site.pages["/v2/app/tags/list"] = _page("a", link="</v2/app/tags/list?n=1000>; rel=next")
    with pytest.raises(FetchFailed, match=f"the tags of {liar.host}/app: {liar.host} sends a page again"):
        _tags(liar)


def test_pages_on_another_server(liar: Liar) -> None:
    with serve() as other:
        liar.site.pages["/v2/app/tags/list"] = _page("a", link=f"<{other.site.url}/x>; rel=next")
        with pytest.raises(FetchFailed, match="names another server for the rest"):
            _tags(liar)
        assert not other.site.asked


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"tags": "a"}', b'{"tags": [1]}', b"[" * 100_000])
def test_what_is_no_list_of_tags(liar: Liar, body: bytes) -> None:
    liar.site.pages["/v2/app/tags/list"] = lambda handler: handler.reply(200, body)
    with pytest.raises(InvalidInput, match=f"the tags of {liar.host}/app: {liar.host} sent what is no list"):
        _tags(liar)


def test_tags_of_what_is_not_there(liar: Liar) -> None:
    with pytest.raises(NotFound, match=f"the tags of {liar.host}/app not found"):
        _tags(liar)


def test_tags_are_those_of_the_registry_not_of_a_mirror(liar: Liar) -> None:
    liar.site.pages["/v2/app/tags/list"] = _page("a", "b")
    with serve() as mirror:
        mirror.site.pages["/v2/app/tags/list"] = _page("a")
        assert _tags(liar, Settings((Rule(liar.host, mirrors=(Mirror(mirror.host),)),))) == ["a", "b"]
        settings = Settings((Rule("localhost:1", mirrors=(Mirror(mirror.host),)),))
        with Repository(references.parse("localhost:1/app"), settings) as found:
            assert found.tags() == ["a"]  # better than none


# --- referrers


def _referrers(liar: Liar, kind: str = "") -> list[str]:
    with repository(liar) as found:
        return [each.artifact_type for each in found.referrers(Digest(MADE.digest), kind)]


def _index(*kinds: str) -> bytes:
    rows = [{**descriptor(kind.encode(), media.MANIFEST), "artifactType": kind} for kind in kinds]
    return json.dumps({"schemaVersion": 2, "mediaType": media.INDEX, "manifests": rows}).encode()


def test_referrers_by_the_api(liar: Liar) -> None:
    path = f"/v2/app/referrers/{MADE.digest}"
    liar.site.pages[path] = lambda handler: handler.reply(
        200, _index("x/a", "x/b"), Content_Type=media.INDEX, Link=f"<{path}?page=2>; rel=next"
    )
    liar.site.pages[f"{path}?page=2"] = lambda handler: handler.reply(
        200, _index("x/c"), Content_Type=media.INDEX
    )
    assert _referrers(liar) == ["x/a", "x/b", "x/c"]
    assert _referrers(liar, "x/b") == ["x/b"]  # also where the registry does not filter
    assert liar.asked()[-2] == f"{path}?artifactType=x%2Fb"


def test_referrers_by_the_fallback_tag(liar: Liar) -> None:
    assert _referrers(liar) == []
    tag = f"/v2/app/manifests/{MADE.digest.replace(':', '-')}"
    liar.site.pages[tag] = lambda handler: handler.reply(200, _index("x/a"), Content_Type=media.INDEX)
    assert _referrers(liar) == ["x/a"]
    liar.site.pages[tag] = lambda handler: handler.reply(200, MADE.data, Content_Type=MADE.media_type)
    assert _referrers(liar) == []  # a tag that is something else


def test_a_page_in_place_of_referrers(liar: Liar) -> None:
    path = f"/v2/app/referrers/{MADE.digest}"
    liar.site.pages[path] = lambda handler: handler.reply(200, b"<html>", Content_Type="text/html")
    assert _referrers(liar) == []
    liar.site.pages[path] = lambda handler: handler.reply(200, b"<html>", Content_Type=media.INDEX)
    with pytest.raises(InvalidInput):
        _referrers(liar)


def test_a_manifest_of_100_mb_is_not_even_read(liar: Liar) -> None:
    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", media.MANIFEST)
        handler.send_header("Content-Length", str(100 << 20))
        handler.end_headers()

    liar.site.pages["/v2/app/manifests/latest"] = answer
    with repository(liar) as found, pytest.raises(InvalidInput, match=f"{liar.host} sent more than 4194304"):
        found.resolve()

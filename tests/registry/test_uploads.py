"""Uploads into registries that break off, are overloaded, lie, stall, or stand behind a proxy with limits."""

from __future__ import annotations

import io
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lamina.errors import Cancelled, Corrupt, Denied, LaminaError
from lamina.fetch.failures import FetchFailed
from lamina.fetch.stopping import NeverStops, Stop
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.destination import Destination
from lamina.registry.failures import ManifestRefused
from lamina.registry.settings import Settings
from tests.fetch.server import Handler, serve
from tests.registry.images import descriptor, image
from tests.registry.liar import basic
from tests.registry.taker import Taker, cut, say, taking
from tests.registry.test_auth import auths, entry

MADE = image({"a": b"1"})
PIECE = 1 << 20


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


SMALL, LARGE = noise(100_000), noise(3 << 20)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.registry.uploading.PIECE", PIECE)


@pytest.fixture
def taker() -> Iterator[Taker]:
    with taking() as made:
        yield made


def destination(taker: Taker, settings: Settings | None = None, stop: Stop | None = None) -> Destination:
    return Destination(references.parse(f"{taker.host}/app"), settings or Settings(), stop)


def upload(
    taker: Taker, data: bytes, opened: Callable[[], io.IOBase] | None = None, settings: Settings | None = None
) -> list[int]:
    """Sends it; what `progress` was told."""
    told: list[int] = []
    found = Descriptor(media.LAYER, sha256(data), len(data))
    with destination(taker, settings) as to:
        to.upload(found, opened or (lambda: io.BytesIO(data)), lambda done, _: told.append(done))  # type: ignore[arg-type,return-value]
    return told


# --- what breaks off


def test_a_large_blob_goes_on_where_it_broke(taker: Taker) -> None:
    taker.once("PUT", cut(taker, 2 << 20))
    told = upload(taker, LARGE)
    assert taker.blobs[sha256(LARGE)] == LARGE
    assert sum(size for _, size in taker.sent) == len(LARGE)
    assert told[-1] == len(LARGE)


def test_a_registry_that_forgets_gets_all_of_it_again(taker: Taker) -> None:
    taker.resumes = False
    taker.once("PUT", cut(taker, 2 << 20))
    upload(taker, LARGE)
    assert taker.blobs[sha256(LARGE)] == LARGE
    assert taker.methods.count("POST") == 2


def test_a_small_blob_is_sent_again(taker: Taker) -> None:
    taker.once("PUT", cut(taker, 50_000), cut(taker, 10))
    upload(taker, SMALL)
    assert taker.blobs == {sha256(SMALL): SMALL}
    assert not taker.sessions, "what was begun is given up"


def test_an_answer_that_is_lost(taker: Taker) -> None:
    """All had arrived: nothing is sent twice."""

    def swallow(handler: Handler) -> bool:
        taker.body(handler, bytearray())
        taker.blobs[sha256(LARGE)] = LARGE
        taker.sessions.clear()
        handler.close_connection = True
        return True

    taker.once("PUT", swallow)
    told = upload(taker, LARGE)
    assert taker.methods.count("PUT") == 1
    assert told[-1] == len(LARGE)


def test_what_the_registry_kept_was_not_what_we_sent(taker: Taker) -> None:
    def garble(handler: Handler) -> bool:
        name = handler.path.partition("?")[0].rpartition("/")[2]
        taker.sessions[name] += bytes(2 << 20)
        handler.close_connection = True
        return True

    taker.once("PUT", garble)
    upload(taker, LARGE)
    assert taker.blobs == {sha256(LARGE): LARGE}


def test_a_registry_that_always_breaks_off(taker: Taker) -> None:
    taker.once("PUT", *[cut(taker, 10, keep=False)] * 9)
    with pytest.raises(FetchFailed, match=rf"push blob [0-9a-f]{{12}} to {taker.host}/app: localhost:"):
        upload(taker, SMALL)
    assert taker.methods.count("PUT") == 5


def test_progress_makes_up_for_breaks(taker: Taker) -> None:
    """A long blob over a bad line: each attempt brings a good deal, and none of them counts."""
    data = noise(8 << 20)
    taker.once("PUT", *[cut(taker, PIECE)] * 7)
    upload(taker, data)
    assert taker.blobs == {sha256(data): data}
    assert sum(size for _, size in taker.sent) < len(data) * 1.1


# --- pieces


def test_pieces_where_one_request_is_too_large(taker: Taker) -> None:
    data = noise(2 * PIECE + 500)
    taker.once("PUT", say(413))
    upload(taker, data)
    assert taker.blobs == {sha256(data): data}
    assert [size for method, size in taker.sent if method == "PATCH"] == [PIECE, PIECE, 500]
    assert taker.methods.count("POST") == 2


def test_pieces_that_are_too_large_too(taker: Taker) -> None:
    taker.once("PUT", say(413))
    taker.once("PATCH", *[say(413)] * 5)
    with pytest.raises(FetchFailed, match="answered 413") as caught:
        upload(taker, LARGE)
    assert "raise its limit" in (caught.value.hint or "")
    assert taker.methods.count("PATCH") == 2


def test_smaller_pieces_where_they_are_too_large(taker: Taker) -> None:
    """nginx stops at 1 MiB if nobody says otherwise."""
    data = noise(PIECE // 2 + 100)
    taker.once("PUT", say(413))
    taker.once("PATCH", say(413))
    upload(taker, data)
    assert taker.blobs == {sha256(data): data}
    assert [size for method, size in taker.sent if method == "PATCH"] == [PIECE // 4, PIECE // 4, 100]


def test_pieces_as_large_as_the_registry_wants_them(taker: Taker) -> None:
    data = noise(3 * PIECE + 500)
    taker.least = PIECE + 700
    taker.once("PUT", say(413))
    upload(taker, data)
    sizes = [size for method, size in taker.sent if method == "PATCH"]
    assert sizes == [PIECE + 700, PIECE + 700, PIECE - 900]


def test_a_piece_that_breaks_off(taker: Taker) -> None:
    data = noise(2 * PIECE + 500)
    taker.once("PUT", say(413))
    taker.once("PATCH", lambda handler: False, cut(taker, PIECE // 2))
    upload(taker, data)
    assert taker.blobs == {sha256(data): data}
    assert sum(size for _, size in taker.sent) == len(data)


def _pieces(data: bytes) -> Callable[[Callable[[bytes], object]], None]:
    return lambda write: [write(data[at : at + 100_000]) for at in range(0, len(data), 100_000)] and None


@pytest.mark.parametrize("keep", [True, False], ids=["goes on", "again"])
def test_a_stream_that_breaks_off(taker: Taker, keep: bool) -> None:
    data = noise(2 * PIECE + 500)
    taker.once("PATCH", lambda handler: False, cut(taker, PIECE // 2, keep=keep))
    taker.resumes = keep
    with destination(taker) as to:
        assert to.stream(_pieces(data), lambda done, _: None) == (sha256(data), len(data))
    assert taker.blobs == {sha256(data): data}
    assert taker.methods.count("POST") == (1 if keep else 2)


def test_a_stream_that_always_breaks_off(taker: Taker) -> None:
    taker.once("PATCH", *[cut(taker, 10, keep=False)] * 30)
    taker.resumes = False
    with (
        destination(taker) as to,
        pytest.raises(FetchFailed, match=f"cannot push a new blob to {taker.host}/app: .*forgot"),
    ):
        to.stream(_pieces(noise(2 * PIECE)), lambda done, _: None)
    assert taker.methods.count("POST") == 3


def test_what_a_stream_is_made_of_fails_while_the_registry_stalls(taker: Taker) -> None:
    over, waiting = threading.Event(), threading.Event()

    def stall(handler: Handler) -> bool:
        waiting.set()
        return over.wait(10) or True

    def fill(write: Callable[[bytes], object]) -> None:
        write(bytes(PIECE + 1))
        waiting.wait(5)
        raise Corrupt("it rotted")

    taker.once("PATCH", stall)
    begin = time.monotonic()
    with destination(taker) as to, pytest.raises(Corrupt, match="it rotted"):
        to.stream(fill, lambda done, _: None)
    assert time.monotonic() - begin < 3
    over.set()


def test_the_end_of_a_stream_that_breaks_off(taker: Taker) -> None:
    taker.once("PUT", cut(taker, 0), say(503))
    with destination(taker) as to:
        assert to.stream(_pieces(SMALL), lambda done, _: None) == (sha256(SMALL), len(SMALL))
    assert taker.methods.count("PATCH") == 1


# --- overload


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited between attempts, without waiting."""
    found: list[float] = []
    monkeypatch.setattr("lamina.fetch.retrying.pause", lambda seconds, stopper: found.append(seconds))
    return found


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
@pytest.mark.parametrize("status", [429, 503, 500])
def test_overload_passes(taker: Taker, pauses: list[float], method: str, status: int) -> None:
    taker.once(method, say(status, Retry_After="7"), say(status))
    with destination(taker) as to:
        assert not to.has_blob(sha256(SMALL))
        to.upload(Descriptor("", sha256(SMALL), len(SMALL)), lambda: io.BytesIO(SMALL), lambda done, _: None)
        to.put_manifest(MADE.data, MADE.media_type, "1")
    assert taker.blobs == {sha256(SMALL): SMALL}
    assert pauses[0] == 7
    assert len(pauses) == 2
    assert pauses[1] < 1


def test_overload_of_a_manifest(taker: Taker, pauses: list[float]) -> None:
    taker.once("PUT", say(429, Retry_After="3"), say(502))
    with destination(taker) as to:
        assert to.put_manifest(MADE.data, MADE.media_type, "1") == MADE.digest
    assert taker.manifests["1"] == (MADE.data, MADE.media_type)
    assert pauses[0] == 3


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_overload_of_a_stream(taker: Taker, pauses: list[float], method: str) -> None:
    taker.once(method, say(429, Retry_After="3"))
    with destination(taker) as to:
        assert to.stream(_pieces(SMALL), lambda done, _: None) == (sha256(SMALL), len(SMALL))
    assert pauses == [3]


def test_more_patience_than_we_have(taker: Taker, pauses: list[float]) -> None:
    taker.once("PUT", say(429, b'{"errors": [{"code": "TOOMANYREQUESTS"}]}', Retry_After="3600"))
    with pytest.raises(FetchFailed, match="toomanyrequests") as caught:
        upload(taker, SMALL)
    assert "wait 3600 seconds" in (caught.value.hint or "")
    assert not pauses


def test_overload_that_stays(taker: Taker, pauses: list[float]) -> None:
    taker.once("PUT", *[say(503)] * 9)
    with pytest.raises(FetchFailed, match=r"to .*/app: localhost:\d+ answered 503"):
        upload(taker, SMALL)
    assert len(pauses) == 4


# --- where to


def test_a_location_on_another_host_gets_no_credentials(taker: Taker, place: Path) -> None:
    settings = auths(place, {taker.host: entry("me", "pw")})
    with taking() as storage:
        storage.sessions = taker.sessions
        storage.blobs = taker.blobs
        taker.place = storage.site.url.replace("localhost", "127.0.0.1")

        def ask(handler: Handler) -> bool:
            if handler.headers.get("Authorization") == basic("me", "pw"):
                return False
            handler.reply(401, WWW_Authenticate='Basic realm="x"')
            return True

        taker.once("POST", ask)
        upload(taker, SMALL, settings=settings)
        assert taker.blobs == {sha256(SMALL): SMALL}
        assert storage.methods == ["PUT"]
        assert storage.site.header("Authorization") == [None]
    assert basic("me", "pw") in taker.site.header("Authorization")


def test_an_upload_is_not_redirected_to_another_host(taker: Taker) -> None:
    with serve() as other:
        taker.once("PUT", say(307, Location=other.url + "/take"))
        with pytest.raises(FetchFailed, match="redirects what we sent to localhost"):
            upload(taker, SMALL)
        assert not other.asked


def test_an_upload_without_a_location(taker: Taker) -> None:
    taker.once("POST", say(202))
    with pytest.raises(FetchFailed, match=f"{taker.host} does not say where to"):
        upload(taker, SMALL)


@pytest.mark.parametrize("place_", ["ftp://x", "http://["])
def test_a_location_that_is_none(taker: Taker, place_: str) -> None:
    taker.place = place_
    with pytest.raises(FetchFailed, match=f"{taker.host} wants it at"):
        upload(taker, SMALL)


# --- lies


def test_a_registry_that_names_another_digest(taker: Taker) -> None:
    taker.once("PUT", say(201, Docker_Content_Digest=sha256(b"other")))
    with pytest.raises(Corrupt, match=f"{taker.host} says that it is sha256:"):
        upload(taker, SMALL)
    taker.once("PUT", say(201, Docker_Content_Digest=sha256(b"other")))
    with destination(taker) as to, pytest.raises(Corrupt, match=f"{taker.host} says that it is sha256:"):
        to.put_manifest(MADE.data, MADE.media_type, "1")


def test_a_page_in_place_of_an_answer(taker: Taker) -> None:
    taker.once("PUT", say(400, b"<html>Bad Request</html>", Content_Type="text/html"))
    with pytest.raises(FetchFailed, match=f"{taker.host} answered 400 Bad Request"):
        upload(taker, SMALL)


def test_a_manifest_type_that_is_refused(taker: Taker) -> None:
    taker.once("PUT", say(415, b'{"errors": [{"code": "MANIFEST_INVALID", "message": "no OCI here"}]}'))
    with destination(taker) as to, pytest.raises(ManifestRefused, match="invalid: no OCI here") as caught:
        to.put_manifest(MADE.data, MADE.media_type, "1")
    assert (caught.value.status, caught.value.codes) == (415, ("MANIFEST_INVALID",))


def test_an_answer_that_never_ends(taker: Taker) -> None:
    big = b" " * (5 << 20)
    taker.once("POST", say(202, big, Location="/x"))
    with pytest.raises(LaminaError, match=r"cannot push blob .*/app: localhost:\d+ sent more than"):
        upload(taker, SMALL)


# --- what we send


@pytest.mark.parametrize("data", [SMALL[:-1], SMALL + b"x", b""], ids=["shorter", "longer", "empty"])
def test_bytes_that_are_not_of_their_size(taker: Taker, data: bytes) -> None:
    with pytest.raises(Corrupt, match=f"cannot push blob .* to {taker.host}/app: it "):
        upload(taker, SMALL, lambda: io.BytesIO(data))
    assert not taker.blobs


def test_bytes_that_are_not_of_their_digest(taker: Taker) -> None:
    with pytest.raises(Corrupt, match=f"cannot push blob .*: {taker.host}: digest invalid: other bytes"):
        upload(taker, SMALL, lambda: io.BytesIO(bytes(len(SMALL))))
    assert not taker.blobs
    assert not taker.sessions, "what was begun is given up"


def test_a_disk_that_fails(taker: Taker) -> None:
    class Bad(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(Denied, match="reading it failed: Input/output error"):
        upload(taker, SMALL, Bad)
    assert not taker.blobs


def test_a_source_that_is_corrupt(taker: Taker) -> None:
    """A blob of the store, that is checked as it is read, fails before its last bytes are gone."""

    class Rotten(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if not data:
                raise Corrupt("it rotted")
            return data

    with pytest.raises(Corrupt, match="it rotted"):
        upload(taker, SMALL, lambda: Rotten(SMALL))
    assert not taker.blobs


# --- stalls, and an end from outside


def test_a_registry_that_stalls(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", 0.1)
    over = threading.Event()
    taker.once("PUT", *[lambda handler: over.wait(5)] * 5)
    with pytest.raises(FetchFailed, match=rf"blob .* to {taker.host}/app: {taker.host}: no answer in time"):
        upload(taker, SMALL)
    over.set()


@pytest.mark.parametrize("method", ["POST", "PUT", "HEAD"])
def test_a_stop_while_the_registry_stalls(taker: Taker, method: str) -> None:
    over, waiting, stop = threading.Event(), threading.Event(), Stop(NeverStops())

    def stall(handler: Handler) -> bool:
        waiting.set()
        return over.wait(10)

    taker.once(method, stall)
    threading.Thread(target=lambda: (waiting.wait(10), stop.set())).start()
    begin = time.monotonic()
    with destination(taker, stop=stop) as to, pytest.raises(Cancelled):
        to.has_blob(sha256(SMALL))
        to.upload(Descriptor("", sha256(SMALL), len(SMALL)), lambda: io.BytesIO(SMALL), lambda done, _: None)
    assert time.monotonic() - begin < 3
    over.set()


def test_a_stop_while_a_registry_does_not_read(taker: Taker) -> None:
    """The lines are full: what is sent goes nowhere."""
    over, waiting, stop = threading.Event(), threading.Event(), Stop(NeverStops())

    def stall(handler: Handler) -> bool:
        waiting.set()
        return over.wait(10)

    taker.once("PUT", stall)
    threading.Thread(target=lambda: (waiting.wait(10), time.sleep(0.2), stop.set())).start()
    data = bytes(32 << 20)
    begin = time.monotonic()
    with destination(taker, stop=stop) as to, pytest.raises(Cancelled):
        to.upload(Descriptor("", sha256(data), len(data)), lambda: io.BytesIO(data), lambda done, _: None)
    assert time.monotonic() - begin < 3
    over.set()


# --- tokens


def _tokens(taker: Taker, *, refused: str = "") -> list[list[str]]:
    """Everything wants a token; the scopes that were asked for. One scope may be refused."""
    asked: list[list[str]] = []
    given: dict[str, list[str]] = {}

    def give(handler: Handler) -> None:
        scopes = parse_qs(urlsplit(handler.path).query)["scope"]
        asked.append(scopes)
        if refused in scopes:
            handler.reply(403, b'{"errors": [{"code": "DENIED"}]}')
            return
        given[f"Bearer t{len(asked)}"] = scopes
        handler.reply(200, b'{"token": "t%d"}' % len(asked))

    inner = taker.answer

    def guarded(handler: Handler) -> None:
        path, _, query = handler.path.partition("?")
        action = "pull" if handler.command in ("GET", "HEAD") else "pull,push"
        wanted = {f"repository:app:{action}"}
        if "from" in parse_qs(query):
            wanted.add(f"repository:{parse_qs(query)['from'][0]}:pull")
        has = given.get(handler.headers.get("Authorization", ""), [])
        if path.startswith("/v2/app") and not all(_covers(has, scope) for scope in wanted):
            handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
            scope = " ".join(sorted(wanted))
            challenge = f'Bearer realm="{taker.site.url}/token",service="here",scope="{scope}"'
            handler.reply(401, WWW_Authenticate=challenge)
        else:
            inner(handler)

    taker.site.pages["/token"] = give
    taker.site.default = guarded
    return asked


def _covers(has: list[str], wanted: str) -> bool:
    resource, _, actions = wanted.rpartition(":")
    found = {each.rpartition(":")[0]: set(each.rpartition(":")[2].split(",")) for each in has}
    return set(actions.split(",")) <= found.get(resource, set())


def test_one_token_for_reading_and_writing(taker: Taker) -> None:
    asked = _tokens(taker)
    with destination(taker) as to:
        assert not to.has_blob(sha256(SMALL))
        to.upload(Descriptor("", sha256(SMALL), len(SMALL)), lambda: io.BytesIO(SMALL), lambda done, _: None)
        to.put_manifest(MADE.data, MADE.media_type, "1")
    assert asked == [["repository:app:pull,push"]]


def test_a_token_for_two_repositories(taker: Taker) -> None:
    asked = _tokens(taker)
    taker.once("POST", say(201))
    with destination(taker) as to:
        assert not to.has_blob(sha256(SMALL))
        assert to.mount(sha256(SMALL), "lib/base")
    assert asked[-1] == ["repository:app:pull,push", "repository:lib/base:pull"]


def test_a_mount_from_what_we_may_not_read(taker: Taker) -> None:
    asked = _tokens(taker, refused="repository:secret/base:pull")
    with destination(taker) as to:
        assert not to.mount(sha256(SMALL), "secret/base")
        to.upload(Descriptor("", sha256(SMALL), len(SMALL)), lambda: io.BytesIO(SMALL), lambda done, _: None)
    assert taker.blobs == {sha256(SMALL): SMALL}
    assert asked[-1] == ["repository:app:pull,push"]


def test_a_token_that_expires_in_the_middle(taker: Taker) -> None:
    asked = _tokens(taker)
    expired = say(401, WWW_Authenticate=f'Bearer realm="{taker.site.url}/token",service="here"')
    taker.once("PUT", expired)
    upload(taker, LARGE)
    assert taker.blobs == {sha256(LARGE): LARGE}
    assert len(asked) == 2


# --- the referrers API


def test_no_fallback_tag_where_the_registry_keeps_referrers(taker: Taker) -> None:
    document = json.loads(MADE.data) | {"subject": descriptor(MADE.data, MADE.media_type)}
    data = json.dumps(document).encode()
    for keeps in (True, False):
        taker.referrers = keeps
        with destination(taker) as to:
            to.put_manifest(data, media.MANIFEST, "x")
        assert (MADE.digest.replace(":", "-") in taker.manifests) is not keeps
    assert Digest(sha256(data)) in taker.manifests


# --- what else registries do


def test_a_registry_that_does_not_know_of_its_tls() -> None:
    """What ends TLS before it did not say so: it calls itself http://, and we stay with TLS."""
    from lamina.registry.uploading import _with_tls

    begun = "https://r.test:5000/v2/app/blobs/uploads/"
    assert _with_tls("http://r.test:5000/v2/app/x", begun) == "https://r.test:5000/v2/app/x"
    assert _with_tls("http://other.test/v2/app/x", begun) == "http://other.test/v2/app/x"
    assert _with_tls("http://r.test/x", "http://r.test/y") == "http://r.test/x"


def test_a_registry_that_does_not_read(taker: Taker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.fetch.connections._CONNECT", 0.1)
    monkeypatch.setattr("lamina.fetch.connections.READ_TIMEOUT", 0.1)
    over = threading.Event()
    for method in ("PUT", "PATCH"):
        taker.once(method, *[lambda handler: over.wait(5) or True] * 5)
    data = bytes(32 << 20)
    with pytest.raises(FetchFailed, match=rf"blob .* to {taker.host}/app: {taker.host}: no answer in time"):
        upload(taker, data)
    over.set()


def test_which_blobs_are_missing_is_said(taker: Taker) -> None:
    detail = {"code": "MANIFEST_BLOB_UNKNOWN", "message": "unknown", "detail": {"digest": sha256(SMALL)}}
    taker.once("PUT", say(404, json.dumps({"errors": [detail]}).encode()))
    with destination(taker) as to, pytest.raises(ManifestRefused, match=sha256(SMALL)[:19]):
        to.put_manifest(MADE.data, MADE.media_type, "1")

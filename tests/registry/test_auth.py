"""Who may pull: Basic, tokens, files with credentials, helpers; and who never sees a secret."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from lamina.errors import Denied, InvalidInput
from lamina.fetch.failures import FetchFailed
from lamina.oci import media
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest, sha256
from lamina.registry.auth import parse_challenges
from lamina.registry.credentials import Credentials, credentials_for
from lamina.registry.repository import Repository
from lamina.registry.settings import Settings
from tests.fetch.server import Handler
from tests.layers.stores import open_store
from tests.registry.distribution import PASSWORD, USER, running
from tests.registry.images import image
from tests.registry.liar import Liar, basic, guard_all, serve

MADE = image({"a": b"1"})


def auths(folder: Path, entries: object, name: str = "config.json", **more: object) -> Settings:
    """Settings with one file of credentials."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps({"auths": entries, **more}))
    return Settings(credentials=(str(folder / name),), helpers=str(folder))


def entry(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


def resolve(name: str, settings: Settings) -> str:
    with Repository(references.parse(name), settings) as found:
        return found.resolve()


def test_htpasswd_of_docker_registry(place: Path) -> None:
    with running(place / "r", users=True) as registry:
        name = registry.push(MADE.layout(place / "layout"), "app:1")
        settings = auths(place, {registry.host: entry(USER, PASSWORD)})
        assert resolve(name, settings) == MADE.digest
        with pytest.raises(Denied, match=f"pull access denied for {registry.host}/app, repository does not"):
            resolve(name, Settings())
        with pytest.raises(Denied, match="authentication required"):
            resolve(name, auths(place, {registry.host: entry(USER, "wrong")}))


def test_tls_of_docker_registry(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(place / "r", users=True, tls=True) as registry:
        name = registry.push(MADE.layout(place / "layout"), "app:1")
        settings = auths(place, {registry.host: entry(USER, PASSWORD)})
        assert resolve(name, settings) == MADE.digest  # this machine's: any certificate does, as for Docker


def test_a_certificate_that_nobody_signed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:

    monkeypatch.setattr("lamina.registry.endpoints.is_local", lambda host: False)
    with running(place / "r", tls=True) as registry:
        name = registry.push(MADE.layout(place / "layout"), "app:1")
        with pytest.raises(FetchFailed, match="certificate not trusted"):
            resolve(name, Settings())
        monkeypatch.setenv("SSL_CERT_FILE", str(registry.folder / "ca.pem"))
        assert resolve(name, Settings()) == MADE.digest


# --- tokens


def token_page(liar: Liar, token: str, user: str = "") -> str:
    """A page that gives a token, only to `user` if there is one; the challenge that names it."""

    def answer(handler: Handler) -> None:
        if user and handler.headers.get("Authorization") != basic(user, "pw"):
            body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect"}]}).encode()
            handler.reply(401, body)
        else:
            handler.reply(200, json.dumps({"token": token, "expires_in": 60}).encode())

    liar.site.pages["/token"] = answer
    return f'Bearer realm="{liar.site.url}/token",service="here",scope="repository:app:pull"'


def test_a_token_for_nobody_in_particular(liar: Liar) -> None:
    name = liar.put(MADE, "app")
    guard_all(liar, "Bearer abc", token_page(liar, "abc"))
    assert resolve(name, Settings()) == MADE.digest
    (asked,) = [urlsplit(path) for path in liar.asked() if path.startswith("/token")]
    assert parse_qs(asked.query) == {"service": ["here"], "scope": ["repository:app:pull"]}


def test_a_token_for_a_user(liar: Liar, place: Path) -> None:
    name = liar.put(MADE, "app")
    guard_all(liar, "Bearer abc", token_page(liar, "abc", "me"))
    assert resolve(name, auths(place, {liar.host: entry("me", "pw")})) == MADE.digest
    with pytest.raises(Denied, match=r"gives no token: unauthorized: incorrect"):
        resolve(name, auths(place, {liar.host: entry("me", "other")}))


class Collected:
    """A receiver."""

    def __init__(self, data: bytearray) -> None:
        self._data = data

    def write(self, data: bytes) -> None:
        self._data += data

    def restart(self) -> None:
        self._data.clear()


def test_a_token_that_expires_while_a_blob_comes(liar: Liar) -> None:
    """The connection breaks, and the rest wants a newer token."""
    data = random.Random(1).randbytes(700_000)
    tokens = ["second", "first"]
    challenge = token_page(liar, "")
    liar.site.pages["/token"] = lambda handler: handler.reply(
        200, json.dumps({"token": tokens.pop()}).encode()
    )

    def answer(handler: Handler) -> None:
        said, asked = handler.headers.get("Authorization", ""), handler.headers.get("Range")
        if asked is None and said == "Bearer first":
            handler.broken(data, 300_000)
        elif asked is not None and said == "Bearer second":
            start = int(asked.removeprefix("bytes=").partition("-")[0])
            part = f"bytes {start}-{len(data) - 1}/{len(data)}"
            handler.reply(206, data[start:], Content_Range=part)
        else:
            handler.reply(401, WWW_Authenticate=challenge)

    found = Descriptor(media.LAYER, sha256(data), len(data))
    liar.site.pages[f"/v2/app/blobs/{found.digest}"] = answer
    out = bytearray()
    with Repository(references.parse(f"{liar.host}/app"), Settings()) as it:
        it.receive(found, Collected(out), lambda done, total: None)
    assert out == data
    tokens[:] = ["second", "first"]
    with Repository(references.parse(f"{liar.host}/app"), Settings()) as it, it.open(found) as stream:
        assert stream.read() == data


def test_an_identity_token(liar: Liar, place: Path) -> None:
    name = liar.put(MADE, "app")

    def answer(handler: Handler) -> None:
        sent = parse_qs(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
        good = sent["grant_type"] == ["refresh_token"] and sent["refresh_token"] == ["long"]
        handler.reply(200 if good else 401, b'{"access_token": "abc"}')

    guard_all(liar, "Bearer abc", token_page(liar, "abc"))
    liar.site.pages["/token"] = answer
    assert resolve(name, auths(place, {liar.host: {"identitytoken": "long"}})) == MADE.digest


@pytest.mark.parametrize(
    ("challenge", "words"),
    [
        ('Bearer realm="nowhere"', "does not say where to get it"),
        ("Bearer", "does not say where to get it"),
        ("Negotiate", "pull access denied"),
        ("", "pull access denied"),
    ],
)
def test_challenges_that_lead_nowhere(liar: Liar, challenge: str, words: str) -> None:
    name = liar.put(MADE, "app")
    guard_all(liar, "Bearer abc", challenge)
    with pytest.raises(Denied, match=words):
        resolve(name, Settings())


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"[" * 100_000, b"<html>", b'{"token": 1}', b'{"token": "a\\nb"}']
)
def test_what_is_no_token(liar: Liar, body: bytes) -> None:
    name = liar.put(MADE, "app")
    guard_all(liar, "Bearer abc", token_page(liar, "abc"))
    liar.site.pages["/token"] = lambda handler: handler.reply(200, body)
    with pytest.raises(Denied, match="is no token"):
        resolve(name, Settings())


def test_challenges_are_read_as_the_standard_says() -> None:
    assert parse_challenges('Basic realm="a, b=c", Bearer realm="https://x/t",scope="r:a:pull,push"') == {
        "basic": {"realm": "a, b=c"},
        "bearer": {"realm": "https://x/t", "scope": "r:a:pull,push"},
    }
    assert parse_challenges('BEARER Realm=x, Service="a\\"b"') == {"bearer": {"realm": "x", "service": 'a"b'}}


# --- who never sees a secret


def test_credentials_go_to_no_other_host(liar: Liar, place: Path) -> None:
    """Blobs often lie elsewhere: the registry redirects, and the other host is asked without a word of us."""
    (digest,) = MADE.layers
    store = open_store(str(place / "store"))
    with serve() as other:
        other.site.pages["/file"] = MADE.blobs[digest]
        name = liar.put(MADE, "app")
        liar.site.pages[f"/v2/app/blobs/{digest}"] = lambda handler: handler.reply(
            307, Location=f"http://127.0.0.1:{urlsplit(other.site.url).port}/file"
        )
        guard_all(liar, basic("me", "pw"), 'Basic realm="x"')
        settings = auths(place / "c", {liar.host: entry("me", "pw")})
        with Repository(references.parse(name), settings) as found:
            found.resolve()
            found.blob(
                Descriptor(media.LAYER_GZIP, Digest(digest), len(MADE.blobs[digest])),
                store.blobs,
                lambda done, total: None,
            )
        assert other.site.header("Authorization") == [None]
    assert basic("me", "pw") in liar.site.header("Authorization")
    store.db.close()
    store.lease.release()


def test_an_identity_token_goes_to_no_other_host(liar: Liar, place: Path) -> None:
    """It is in the body of what is asked: a redirect may not carry it away."""
    name = liar.put(MADE, "app")
    guard_all(liar, "Bearer abc", token_page(liar, "abc"))
    with serve() as other:
        other.site.pages["/token"] = b'{"access_token": "abc"}'
        liar.site.pages["/token"] = lambda handler: handler.reply(307, Location=other.site.url + "/token")
        with pytest.raises(FetchFailed, match="redirects what we sent to localhost"):
            resolve(name, auths(place, {liar.host: {"identitytoken": "long"}}))
        assert not other.site.asked


def test_credentials_are_of_one_registry(liar: Liar, place: Path) -> None:
    name = liar.put(MADE, "app")
    guard_all(liar, basic("me", "pw"), 'Basic realm="x"')
    with pytest.raises(Denied):
        resolve(name, auths(place, {"registry.invalid": entry("me", "pw")}))
    assert set(liar.site.header("Authorization")) == {None}


# --- files and helpers


@pytest.mark.parametrize(
    ("key", "host", "path"),
    [
        ("r.test:5000", "r.test:5000", "a/b"),
        ("https://r.test", "r.test", "a"),
        ("https://r.test/v1/", "r.test", "a"),
        ("r.test/a", "r.test", "a/b"),
        ("r.test/a/b", "r.test", "a/b"),
        ("https://index.docker.io/v1/", "registry-1.docker.io", "library/busybox"),
        ("docker.io", "registry-1.docker.io", "library/busybox"),
    ],
)
def test_keys_of_docker_and_podman(place: Path, key: str, host: str, path: str) -> None:
    settings = auths(place, {key: entry("me", "pw:x"), "other.test": entry("no", "no")})
    assert credentials_for(host, path, settings) == Credentials("me", "pw:x")


def test_the_nearest_entry_counts(place: Path) -> None:
    settings = auths(place, {"r.test": entry("all", "1"), "r.test/a": entry("part", "2")})
    assert credentials_for("r.test", "a/b", settings) == Credentials("part", "2")
    assert credentials_for("r.test", "ab", settings) == Credentials("all", "1")
    assert credentials_for("r", "a", settings) is None


def test_the_first_file_that_knows_the_registry(place: Path) -> None:
    auths(place, {"r.test": entry("first", "1")}, "auth.json")
    auths(place, {"r.test": entry("second", "1"), "s.test": entry("s", "2")})
    files = (str(place / "missing"), str(place / "auth.json"), str(place / "config.json"))
    assert credentials_for("r.test", "a", Settings(credentials=files)) == Credentials("first", "1")
    assert credentials_for("s.test", "a", Settings(credentials=files)) == Credentials("s", "2")


@pytest.mark.parametrize("text", ["", "[]", '{"auths": 1}', '{"auths": {"r.test": {"auth": "!"}}}'])
def test_a_file_that_cannot_be_understood(place: Path, text: str) -> None:
    (place / "config.json").write_text(text)
    with pytest.raises(InvalidInput, match=r"config.json: cannot be understood"):
        credentials_for("r.test", "a", Settings(credentials=(str(place / "config.json"),)))


def helper(folder: Path, name: str, script: str) -> None:
    path = folder / f"docker-credential-{name}"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_credential_helpers(place: Path) -> None:
    answer = '{"ServerURL": "x", "Username": "me", "Secret": "pw"}'
    helper(place, "mine", f"/bin/cat > {place}/asked\necho '{answer}'")
    settings = auths(place, {}, credHelpers={"r.test": "mine"})
    assert credentials_for("r.test", "a", settings) == Credentials("me", "pw")
    assert (place / "asked").read_text() == "r.test"
    assert credentials_for("s.test", "a", settings) is None
    settings = auths(place, {}, credsStore="mine")
    assert credentials_for("registry-1.docker.io", "a", settings) == Credentials("me", "pw")
    assert (place / "asked").read_text() == "https://index.docker.io/v1/"


def test_credential_helpers_that_fail(place: Path) -> None:
    settings = auths(place, {}, credsStore="mine")
    with pytest.raises(Denied, match="docker-credential-mine is not installed"):
        credentials_for("r.test", "a", settings)
    helper(place, "mine", "echo credentials not found in native keychain; exit 1")
    assert credentials_for("r.test", "a", settings) is None
    helper(place, "mine", "echo locked >&2; exit 1")
    with pytest.raises(Denied, match="docker-credential-mine failed: locked"):
        credentials_for("r.test", "a", settings)


def test_no_secret_is_shown() -> None:
    assert "pw" not in repr(Credentials("me", "pw", "pw"))

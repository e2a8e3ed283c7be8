"""Who may do what: users of htpasswd, passwords that are tested once, reading by anybody, TLS."""

from __future__ import annotations

import http.client
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from lamina.errors import Denied, InvalidInput, LaminaError, NotFound
from lamina.layers.context import Layers
from lamina.serving.htpasswd import Htpasswd
from lamina.serving.settings import ServeSettings
from tests.registry.distribution import authority
from tests.serving.site import Site, running
from tests.serving.test_push import DATA, MADE

COST = 4  # as little as bcrypt does


def line(user: str, password: str, cost: int = COST) -> str:
    hashed = bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(cost)).decode()
    return f"{user}:{hashed.replace('$2b$', '$2y$')}\n"  # as htpasswd(1) writes it


@pytest.fixture
def users(tmp_path: Path) -> Path:
    path = tmp_path / "htpasswd"
    path.write_text("# who may\n\n" + line("worker", "a secret") + line("ü:", "x").replace("ü:", "ü", 1))
    return path


@pytest.fixture
def guarded(store: Layers, users: Path) -> Iterator[Site]:
    with running(store, htpasswd=str(users)) as made:
        yield made


@pytest.fixture
def public(store: Layers, users: Path) -> Iterator[Site]:
    with running(store, htpasswd=str(users), anonymous_pull=True) as made:
        made.user = "worker:a secret"
        made.push(MADE)
        made.user = ""
        yield made


def test_a_user_may_do_all(guarded: Site) -> None:
    guarded.user = "worker:a secret"
    assert guarded.ask("GET", "/v2/").status == 200
    assert guarded.push(MADE).status == 201
    assert guarded.ask("GET", "/v2/app/manifests/1").body == MADE.data


def test_others_may_do_nothing(guarded: Site) -> None:
    for user in (
        "",
        "worker:",
        "worker:wrong",
        "nobody:a secret",
        ":",
        "worker:a secret\0",
        "worker:A SECRET",
    ):
        guarded.user = user
        for method, path in (
            ("GET", "/v2/"),
            ("GET", "/v2/app/manifests/1"),
            ("POST", "/v2/app/blobs/uploads/"),
            ("DELETE", "/v2/app/manifests/1"),
        ):
            answer = guarded.ask(method, path)
            assert (answer.status, answer.code) == (401, "UNAUTHORIZED"), user
            assert answer.headers["WWW-Authenticate"] == 'Basic realm="lamina registry"'
            assert answer.headers["Docker-Distribution-Api-Version"] == "registry/2.0"


def test_what_is_no_password(guarded: Site) -> None:
    for header in ("Basic", "Basic !!!", "Basic dw==", "Bearer x", "Bearer ..", "Digest x", "x"):
        assert guarded.ask("GET", "/v2/", Authorization=header).status == 401, header


def test_a_client_that_is_refused_in_the_midst_of_its_upload_is_told(guarded: Site) -> None:
    assert guarded.ask("POST", "/v2/app/blobs/uploads/?digest=x", DATA * 50).status == 401


def test_a_password_is_tested_once(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(line("worker", "a secret", 10))
    users = Htpasswd(str(path))
    began = time.process_time()
    assert users.is_right("worker", "a secret")
    first = time.process_time() - began
    began = time.process_time()
    assert all(users.is_right("worker", "a secret") for _ in range(50))
    assert time.process_time() - began < first
    assert not users.is_right("worker", "a secret ")
    assert not any(b"a secret" in mark for mark in users._known)


def test_a_user_who_is_not_there_takes_as_long(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(line("worker", "a secret", 8))
    users = Htpasswd(str(path))
    times = []
    for user in ("worker", "nobody"):
        began = time.process_time()
        assert not users.is_right(user, "wrong")
        times.append(time.process_time() - began)
    assert times[1] > times[0] / 3


def test_a_file_that_changes_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.serving.htpasswd._AGAIN", 0.0)
    path = tmp_path / "htpasswd"
    path.write_text(line("worker", "a secret"))
    users = Htpasswd(str(path))
    assert users.is_right("worker", "a secret")
    path.write_text(line("worker", "another") + line("second", "x"))
    assert not users.is_right("worker", "a secret")
    assert users.is_right("worker", "another") and users.is_right("second", "x")
    path.write_text("rubbish")  # it is being written: what was counts
    assert users.is_right("second", "x")


def test_long_passwords_are_as_htpasswd_takes_them(tmp_path: Path) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(line("worker", "x" * 80))
    assert Htpasswd(str(path)).is_right("worker", "x" * 80)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("worker:$apr1$abc$def\n", "line 1: the password of 'worker' is not hashed by bcrypt"),
        ("worker:plain\n", "not hashed by bcrypt"),
        ("\nworker\n", "line 2: not USER:HASH"),
        ("", "has no users"),
    ],
)
def test_a_file_that_makes_no_sense(tmp_path: Path, text: str, error: str) -> None:
    path = tmp_path / "htpasswd"
    path.write_text(text)
    with pytest.raises(InvalidInput, match=error) as found:
        Htpasswd(str(path))
    assert "plain" not in found.value.message


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Htpasswd(str(tmp_path / "nothing"))
    with pytest.raises(Denied):
        Htpasswd(str(tmp_path))


# --- anybody may pull


def test_anybody_may_pull(public: Site) -> None:
    assert public.ask("GET", "/v2/app/manifests/1").body == MADE.data
    assert public.ask("HEAD", f"/v2/app/blobs/{MADE.layers[0]}").status == 200
    assert public.ask("GET", "/v2/app/tags/list").status == 200


def test_not_anybody_may_push(public: Site) -> None:
    for method, path in (
        ("POST", "/v2/app/blobs/uploads/"),
        ("PUT", "/v2/app/manifests/2"),
        ("DELETE", "/v2/app/manifests/1"),
    ):
        answer = public.ask(method, path, b"")
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == (
            f'Bearer realm="http://{public.host}/v2/token",service="lamina",scope="repository:app:pull,push"'
        )


def test_clients_get_tokens(public: Site) -> None:
    """As Docker does it: asked at /v2/, a token without a password, or with one."""
    asked = public.ask("GET", "/v2/")
    assert asked.headers["WWW-Authenticate"].startswith(f'Bearer realm="http://{public.host}/v2/token"')
    anybody = public.ask("GET", "/v2/token?service=lamina&scope=repository:app:pull").json["token"]
    public.user = "worker:a secret"
    worker = public.ask("GET", "/v2/token?service=lamina&scope=repository:app:pull,push").json["token"]
    public.user = ""
    for token, status in ((anybody, 401), (worker, 202)):
        bearer = f"Bearer {token}"
        assert public.ask("GET", "/v2/", Authorization=bearer).status == 200
        assert public.ask("GET", "/v2/app/manifests/1", Authorization=bearer).status == 200
        assert public.ask("POST", "/v2/app/blobs/uploads/", Authorization=bearer).status == status


def test_without_anonymous_pull_anybody_gets_no_token(guarded: Site) -> None:
    guarded.user = "worker:a secret"
    assert guarded.push(MADE).status == 201
    worker = guarded.ask("GET", "/v2/token").json["token"]
    guarded.user = ""
    for headers in ({}, {"Authorization": "Basic Og=="}):  # nothing, and an empty user and password
        assert guarded.ask("GET", "/v2/token", **headers).status == 401
    assert guarded.ask("GET", "/v2/app/manifests/1", Authorization=f"Bearer {worker}").status == 200


def test_a_token_of_anybody_opens_nothing_without_anonymous_pull(users: Path) -> None:
    """Even if one were given out."""
    from lamina.serving.failures import Failure
    from lamina.serving.gate import Gate
    from lamina.serving.messages import Body, Request
    from lamina.serving.routes import BASE, CATALOG, Route

    gate = Gate(Htpasswd(str(users)))
    shown = {"authorization": f"Bearer {gate._signed('', int(time.time()) + 100)}"}
    request = Request("GET", "/v2/_catalog", {}, shown, Body(lambda: b""), lambda: None)
    for kind in (BASE, CATALOG):
        with pytest.raises(Failure, match="authentication required"):
            gate.check(request, Route(kind))


def test_a_token_is_not_given_for_a_password_in_a_form(public: Site) -> None:
    """containerd asks so first, and again with GET when it may not: the token of anybody would mislead it."""
    form = b"grant_type=password&username=worker&password=a+secret&service=lamina"
    answer = public.ask("POST", "/v2/token", form, Content_Type="application/x-www-form-urlencoded")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_no_token_for_a_wrong_password(public: Site) -> None:
    public.user = "worker:wrong"
    answer = public.ask("GET", "/v2/token")
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic")
    assert public.ask("GET", "/v2/app/manifests/1").status == 401  # it is said that one is wrong


def test_a_token_of_somebody_else(public: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    token = public.ask("GET", "/v2/token").json["token"]
    name, until, mark = token.split(".")
    forged = [f"d29ya2Vy.{until}.{mark}", f"{name}.9{until}.{mark}", f"{name}.{until}.{'0' * 64}", "..", "é"]
    for each in forged:
        assert public.ask("POST", "/v2/app/blobs/uploads/", Authorization=f"Bearer {each}").status == 401
    later = time.time() + 301
    monkeypatch.setattr("lamina.serving.gate.time.time", lambda: later)
    assert public.ask("GET", "/v2/", Authorization=f"Bearer {token}").status == 401


# --- read only


def test_nothing_changes_what_is_read_only(store: Layers) -> None:
    with running(store) as site:
        site.push(MADE)
    with running(store, read_only=True) as site:
        assert site.ask("GET", "/v2/app/manifests/1").body == MADE.data
        for method, path in (
            ("POST", "/v2/app/blobs/uploads/"),
            ("PUT", "/v2/app/manifests/2"),
            ("DELETE", "/v2/app/manifests/1"),
            ("DELETE", f"/v2/app/blobs/{MADE.layers[0]}"),
            ("PATCH", "/v2/app/blobs/uploads/x"),
        ):
            answer = site.ask(method, path, b"")
            assert (answer.status, answer.code) == (405, "UNSUPPORTED")


# --- TLS, settings


@pytest.fixture
def secure(store: Layers, tmp_path: Path) -> Iterator[Site]:
    authority(tmp_path, "localhost")
    files = {"certificate": f"{tmp_path}/cert.pem", "key": f"{tmp_path}/key.pem"}
    with running(store, verbose=True, **files) as made:
        yield made


def test_tls(secure: Site, tmp_path: Path) -> None:
    assert secure.told[0].startswith("listening on https://127.0.0.1:")
    context = ssl.create_default_context(cafile=f"{tmp_path}/ca.pem")
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # the default of 3.13; our CA is a plain one
    connection = http.client.HTTPSConnection(secure.host, context=context, timeout=10)
    connection.request("POST", "/v2/app/blobs/uploads/")
    found = connection.getresponse()
    found.read()
    connection.request("PATCH", found.headers["Location"], DATA * 40)
    assert connection.getresponse().read() == b""
    connection.close()


def test_who_speaks_no_tls_holds_up_nobody(secure: Site, tmp_path: Path) -> None:
    import socket

    host, _, port = secure.host.rpartition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(5)]
    silent[0].sendall(b"GET /v2/ HTTP/1.1\r\n\r\n")
    test_tls(secure, tmp_path)
    for each in silent:
        each.close()


@pytest.mark.parametrize(
    ("settings", "error", "text"),
    [
        ({"certificate": "x"}, InvalidInput, "a certificate and its key"),
        ({"certificate": "/nothing", "key": "/nothing"}, NotFound, "/nothing: no such file"),
        ({"certificate": __file__, "key": __file__}, InvalidInput, "no certificate with its key"),
        ({"htpasswd": "/nothing"}, NotFound, "/nothing: no such file"),
        ({"anonymous_pull": True}, InvalidInput, "without users anybody may"),
        ({"host": "no such host."}, InvalidInput, "is no address to listen on"),
        ({"host": "203.0.113.1"}, InvalidInput, "cannot listen on 203.0.113.1"),
    ],
)
def test_settings_that_cannot_be(
    store: Layers, settings: dict[str, object], error: type[LaminaError], text: str
) -> None:
    with pytest.raises(error, match=text), running(store, **settings):
        pass


def test_a_port_that_is_taken(store: Layers) -> None:
    with running(store) as site:
        port = int(site.host.rpartition(":")[2])
        with pytest.raises(LaminaError, match=f"127.0.0.1:{port} is in use"), running(store, port=port):
            pass


def test_warnings() -> None:
    from lamina.serving.serve import _warnings

    assert not _warnings(ServeSettings())
    assert "may push" in _warnings(ServeSettings(host="0.0.0.0"))[0]
    assert "may push" in _warnings(ServeSettings(host=""))[0]
    assert "passwords can be read" in _warnings(ServeSettings(host="", htpasswd="x"))[0]
    assert not _warnings(ServeSettings(host="", read_only=True))
    assert not _warnings(ServeSettings(host="", htpasswd="x", certificate="x", key="y"))

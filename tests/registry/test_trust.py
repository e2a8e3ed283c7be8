"""TLS: certs.d, certificates of ours, hosts that are insecure by name; and who is never shown what."""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.engine.registries import settings as read_settings
from lamina.errors import Denied, InvalidInput, LaminaError, NotFound
from lamina.fetch.failures import FetchFailed
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import sha256
from lamina.registry.destination import Destination
from lamina.registry.repository import Repository
from lamina.registry.settings import Rule, Settings
from tests.fetch.server import Site, make_certificate, serve
from tests.registry.distribution import Registry, own_registry
from tests.registry.liar import Liar


@pytest.fixture(scope="module")
def strict() -> Iterator[Registry]:
    """A registry with a CA of its own, which wants a certificate of its clients too."""
    with own_registry(clients=True) as made:
        yield made


@pytest.fixture
def certs(strict: Registry, place: Path) -> Path:
    """A folder certs.d of the test's own, with all that this registry wants."""
    shutil.copytree(strict.certs, place / "certs.d")
    return place / "certs.d"


def tags(registry: Registry, settings: Settings) -> None:
    with Repository(references.parse(registry.name("app")), settings) as found, pytest.raises(NotFound):
        found.tags()  # it answers: there is no such repository


def refused(registry: Registry, settings: Settings) -> LaminaError:
    with (
        Repository(references.parse(registry.name("app")), settings) as found,
        pytest.raises((FetchFailed, InvalidInput, Denied)) as caught,
    ):
        found.tags()
    return caught.value


def kept(certs: Path) -> Settings:
    return Settings(certificates=(str(certs),))


def test_a_ca_and_a_certificate_of_ours(strict: Registry, certs: Path) -> None:
    tags(strict, kept(certs))
    with Destination(references.parse(strict.name("app")), kept(certs)) as to:
        assert not to.has_blob(sha256(b"x"))


def test_without_our_certificate(strict: Registry, certs: Path) -> None:
    shutil.rmtree(certs / strict.host)
    error = refused(strict, kept(certs))
    assert f"{strict.host}: TLS: " in error.message
    assert "ALERT" in error.message
    assert "client.cert and client.key" in (error.hint or "")


def test_another_ca(strict: Registry, certs: Path) -> None:
    make_certificate(certs / strict.host)
    (certs / strict.host / "cert.pem").rename(certs / strict.host / "ca.crt")
    error = refused(strict, kept(certs))
    assert f"{strict.host}: certificate not trusted" in error.message
    assert f"certs.d/{strict.host}/ca.crt" in (error.hint or "")


def test_a_ca_besides_others(strict: Registry, certs: Path) -> None:
    make_certificate(certs / strict.host)
    (certs / strict.host / "cert.pem").rename(certs / strict.host / "another.crt")
    (certs / strict.host / "key.pem").unlink()
    tags(strict, kept(certs))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("client.key", "client.cert has no key client.key"),
        ("client.cert", "client.key has no certificate client.cert"),
    ],
)
def test_half_a_certificate(strict: Registry, certs: Path, name: str, words: str) -> None:
    (certs / strict.host / name).unlink()
    assert words in refused(strict, kept(certs)).message


@pytest.mark.parametrize("name", ["ca.crt", "client.cert", "client.key"])
def test_a_file_that_is_none(strict: Registry, certs: Path, name: str) -> None:
    (certs / strict.host / name).write_text("hello")
    error = refused(strict, kept(certs))
    assert isinstance(error, InvalidInput)
    assert "no certificate that can be used" in error.message


def test_the_first_folder_counts_alone(strict: Registry, certs: Path, place: Path) -> None:
    (place / "first" / strict.host).mkdir(parents=True)
    both = Settings(certificates=(str(place / "first"), str(certs)))
    assert "CERTIFICATE" in refused(strict, both).message
    tags(strict, Settings(certificates=(str(place / "nothing"), str(certs))))


def test_insecure_only_by_name(strict: Registry, certs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamina.registry.endpoints.is_local", lambda host: False)
    (certs / strict.host / "ca.crt").unlink()
    assert "certificate not trusted" in refused(strict, kept(certs)).message
    tags(strict, kept(certs)._replace(rules=(Rule(strict.host, insecure=True),)))
    other = kept(certs)._replace(rules=(Rule("other.test", insecure=True),))
    assert "certificate not trusted" in refused(strict, other).message


def test_a_host_with_a_ca_is_never_asked_without_tls(liar: Liar, place: Path) -> None:
    """Also this machine: whoever put a CA there wants it used."""
    folder = place / "certs.d" / liar.host
    folder.mkdir(parents=True)
    make_certificate(folder)
    (folder / "cert.pem").rename(folder / "ca.crt")
    with (
        Repository(references.parse(f"{liar.host}/app"), kept(place / "certs.d")) as found,
        pytest.raises(FetchFailed, match="TLS: WRONG_VERSION_NUMBER") as caught,
    ):
        found.tags()
    assert "speak TLS at all" in (caught.value.hint or "")
    assert not liar.site.asked


def test_our_certificate_is_shown_to_no_other_host(place: Path) -> None:
    """The registry redirects to storage that asks for a certificate too, but need not have one."""
    context, ca = make_certificate(place)
    other_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    other_context.load_cert_chain(ca, place / "key.pem")
    other_context.verify_mode = ssl.CERT_OPTIONAL
    other_context.load_verify_locations(ca)
    shown: list[object] = []
    with serve(context) as first, serve(other_context) as second:
        host = first.url.partition("://")[2]
        folder = place / "certs.d" / host
        folder.mkdir(parents=True)
        shutil.copy(ca, folder / "ca.crt")
        shutil.copy(ca, folder / "client.cert")
        shutil.copy(place / "key.pem", folder / "client.key")
        _answer(first, second, shown)
        with Repository(references.parse(f"{host}/app"), kept(place / "certs.d")) as found:
            assert found.tags() == ["a"]
        assert shown == [None]
        shutil.copytree(folder, folder.parent / second.url.partition("://")[2])
        with Repository(references.parse(f"{host}/app"), kept(place / "certs.d")) as found:
            found.tags()
        assert shown[1] is not None, "the test sees what is shown"


def _answer(first: Site, second: Site, shown: list[object]) -> None:
    def answer(handler: object) -> None:
        shown.append(handler.connection.getpeercert())  # type: ignore[attr-defined]
        handler.reply(200, b'{"tags": ["a"]}')  # type: ignore[attr-defined]

    first.pages["/v2/app/tags/list"] = lambda handler: handler.reply(307, Location=second.url + "/tags")
    second.pages["/tags"] = answer


def test_where_the_folders_are() -> None:
    found = read_settings({"HOME": "/home/me"}).certificates
    assert found == (
        "/home/me/.config/containers/certs.d",
        "/home/me/.config/docker/certs.d",
        "/etc/containers/certs.d",
        "/etc/docker/certs.d",
    )
    assert read_settings({"XDG_CONFIG_HOME": "/x"}).certificates[0] == "/x/containers/certs.d"


def test_a_document_is_not_taken_from_the_clear(place: Path) -> None:
    """A blob may come from storage without TLS, for its digest proves it; what a tag means may not."""
    context, _ = make_certificate(place)
    data = b"a blob"
    with serve(context) as first, serve() as second:
        host = first.url.partition("://")[2]
        second.pages["/tags"], second.pages["/blob"] = b'{"tags": ["lie"]}', data
        path = f"/v2/app/blobs/{sha256(data)}"
        first.pages["/v2/app/tags/list"] = lambda handler: handler.reply(307, Location=second.url + "/tags")
        first.pages[path] = lambda handler: handler.reply(307, Location=second.url + "/blob")
        with Repository(references.parse(f"{host}/app"), Settings()) as found:
            with pytest.raises(FetchFailed, match=f"{host} redirects from TLS into the clear"):
                found.tags()
            with found.open(Descriptor("", sha256(data), len(data))) as stream:
                assert stream.read() == data
        assert second.paths == ["/blob"]

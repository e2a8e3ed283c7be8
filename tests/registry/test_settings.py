"""What this machine's files say about registries: ours, Docker's, Podman's."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.engine.registries import places, settings
from lamina.errors import InvalidInput
from lamina.oci import reference as references
from lamina.registry.endpoints import endpoints, is_local
from lamina.registry.settings import Mirror, Places, Rule, Settings, read_settings
from lamina.registry.trust import may_be_plain


def read(tmp_path: Path, **files: str) -> Settings:
    made = {}
    for kind, text in files.items():
        (tmp_path / kind).write_text(text)
        made[kind] = [str(tmp_path / kind)]
    return read_settings(Places(**made), offline=False, proxies={})


def where(name: str, found: Settings) -> list[tuple[str, str, bool]]:
    made = endpoints(references.parse(name), found)
    return [(each.host, each.path, may_be_plain(each, found)) for each in made]


def test_nothing_is_said() -> None:
    found = read_settings(Places(["/no/such"], ["/no/such"], ["/no/such"]), offline=False, proxies={})
    assert found == Settings()
    assert where("busybox", found) == [("registry-1.docker.io", "library/busybox", False)]
    assert where("r.test:5000/a/b", found) == [("r.test:5000", "a/b", False)]
    assert where("localhost:5000/a", found) == [("localhost:5000", "a", True)]


def test_our_own_file(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ours='offline = true\n[registry."docker.io"]\nmirrors = ["http://m.test:5000/hub", "n.test"]\n'
        '[registry."r.test"]\ninsecure = true\n[registry."old.test/a"]\nlocation = "new.test/b"\n',
    )
    assert found.offline
    assert where("busybox", found) == [
        ("m.test:5000", "hub/library/busybox", True),
        ("n.test", "library/busybox", False),
        ("registry-1.docker.io", "library/busybox", False),
    ]
    assert where("r.test/a", found) == [("r.test", "a", True)]
    assert where("old.test/a/x", found) == [("new.test", "b/x", False)]
    assert where("old.test/ab", found) == [("old.test", "ab", False)]


def test_short_names(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ours='[short-names]\nbase = "r.test:5000/team/base"\n"a/b" = "s.test/c"\n'
        '[registry."r.test:5000"]\ninsecure = true\n',
    )
    assert where("base:1", found) == [("r.test:5000", "team/base", True)]
    assert where("docker.io/library/base", found) == [("r.test:5000", "team/base", True)]
    assert where("a/b", found) == [("s.test", "c", False)]
    assert where("q.test/base", found) == [("q.test", "base", False)]
    assert where("base2", found) == [("registry-1.docker.io", "library/base2", False)]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"r.test/a" = "s.test/b"', "is no short name"),
        ('"a:1" = "s.test/b"', "is no short name"),
        ('a = "b"', "is no repository in full"),
        ('a = "s.test/b:1"', "is no repository in full"),
        ("a = 1", "a short name stands for a text"),
        ('A = "s.test/b"', "must be lowercase"),
    ],
)
def test_short_names_that_are_none(tmp_path: Path, line: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read(tmp_path, ours=f"[short-names]\n{line}\n")


def test_registries_conf_of_podman(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        podman='unqualified-search-registries = ["x.test"]\n[[registry]]\nprefix = "r.test/a"\n'
        'location = "s.test/b"\ninsecure = true\n[[registry.mirror]]\nlocation = "m.test"\n'
        '[[registry]]\nprefix = "*.t.test"\ninsecure = true\n[[registry]]\nlocation = "q.test"\n',
    )
    assert where("r.test/a/x", found) == [("m.test", "x", False), ("s.test", "b/x", True)]
    assert where("one.t.test/x", found) == [("one.t.test", "x", True)]
    assert where("q.test/x", found) == [("q.test", "x", False)]


def test_daemon_json_of_docker(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        docker='{"registry-mirrors": ["https://m.test/"],'
        ' "insecure-registries": ["r.test:5000", "10.0.0.0/8"]}',
    )
    assert found.rules == (
        Rule("docker.io", mirrors=(Mirror("m.test"),)),
        Rule("r.test:5000", insecure=True),
    )
    assert where("r.test:5000/a", found) == [("r.test:5000", "a", True)]
    assert where("r.test/a", found) == [("r.test", "a", False)]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ours", "x"),
        ("ours", "ofline = true"),
        ("ours", "offline = 1"),
        ("ours", '[registry."a"]\nmirror = ["b"]'),
        ("ours", '[registry."a"]\nmirrors = "b"'),
        ("ours", '[registry."a"]\ninsecure = "yes"'),
        ("ours", '[registry."a"]\nmirrors = ["ftp://b"]'),
        ("podman", "[[registry]]\n[[registry.mirror]]\n"),
        ("docker", "[]"),
        ("docker", "{"),
        ("docker", '{"registry-mirrors": "a"}'),
    ],
)
def test_a_file_that_makes_no_sense_is_named(tmp_path: Path, kind: str, text: str) -> None:
    with pytest.raises(InvalidInput, match=str(tmp_path / kind)):
        read(tmp_path, **{kind: text})


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("localhost:5000", True),
        ("127.0.0.1:1", True),
        ("127.9.9.9", True),
        ("[::1]:5000", True),
        ("128.0.0.1", False),
        ("localhost.test", False),
        ("r.test", False),
    ],
)
def test_only_this_machine_needs_no_tls(host: str, local: bool) -> None:
    assert is_local(host) is local


def test_the_environment(tmp_path: Path) -> None:
    own = tmp_path / "registries.toml"
    own.write_text('[registry."r.test"]\ninsecure = true\n')
    environ = {"HOME": "/h", "PATH": "/p", "LAMINA_REGISTRIES": str(own), "https_proxy": "http://p:1"}
    found = settings(environ)
    assert found.rules[0] == Rule("r.test", insecure=True)
    assert not found.offline
    assert (found.home, found.helpers, found.proxies) == ("/h", "/p", {"https_proxy": "http://p:1"})
    assert "/h/.docker/config.json" in found.credentials
    assert settings({**environ, "LAMINA_OFFLINE": "1"}).offline
    more = {"DOCKER_CONFIG": "/d", "XDG_RUNTIME_DIR": "/run/me", "XDG_CONFIG_HOME": "/c"}
    found_places = places({**environ, **more})
    assert found_places.credentials == [
        "/run/me/containers/auth.json",
        "/c/containers/auth.json",
        "/d/config.json",
    ]
    assert places({"REGISTRY_AUTH_FILE": "/a"}).credentials == ["/a"]

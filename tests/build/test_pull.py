"""Images that a build takes from registries: FROM, COPY --from, mounts and contexts; and --pull."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.db import imagedb, indexdb
from lamina.dockerfile import DockerfileError
from lamina.events import Notice
from lamina.oci import platform as platforms
from lamina.oci.digest import Digest
from lamina.registry.settings import Rule, Settings
from tests.build.kitchen import HOST, Kitchen
from tests.registry.conftest import liar, place, quick, registry
from tests.registry.distribution import Registry
from tests.registry.images import Made, image, index
from tests.registry.liar import Liar

__all__ = ["liar", "place", "quick", "registry"]
OTHER = platforms.parse("linux/arm64" if HOST.architecture != "arm64" else "linux/amd64")
MADE = image({"a": b"one"}, {"b": b"two"}, env=["A=b"])


@pytest.fixture
def online(kitchen: Kitchen) -> Iterator[Kitchen]:
    """A kitchen that may pull; only the registries of this machine are there."""
    kitchen.registries = Settings((Rule("docker.io", location="localhost:1"),))
    yield kitchen


def pulled(kitchen: Kitchen) -> list[str]:
    return [event.text for event in kitchen.events if isinstance(event, Notice)]


def both(word: bytes) -> Made:
    """An index for this machine and another; each image says which."""
    parts = {str(each): image({"p": word + str(each).encode()}, platform=str(each)) for each in (OTHER, HOST)}
    return index(parts)


def test_from_a_registry(registry: Registry, online: Kitchen, place: Path) -> None:
    name = registry.push(MADE.layout(place / "layout"), "some/app:1.0", "--preserve-digests")
    online.write({"c": "three"})
    result = online.build(f"FROM {name}\nCOPY c /c\n", tags=("made",))
    assert [online.read(result.image_id, each) for each in "abc"] == ["one", "two", "three"]
    assert "A=b" in online.config(result.image_id).config.env
    assert pulled(online) == [f"pulling {name}"]
    assert imagedb.get_tag(online.db.read(), name) == MADE.image_id


def test_from_a_digest(registry: Registry, online: Kitchen, place: Path) -> None:
    name = registry.push(MADE.layout(place / "layout"), "app:1", "--preserve-digests")
    exact = f"{name.rpartition(':')[0]}:1@{MADE.digest}"
    online.build(f"FROM {exact}\nWORKDIR /w\n")
    assert pulled(online) == [f"pulling {exact}"]
    online.build(f"FROM {exact}\nWORKDIR /w\n", pull=True)  # what it means cannot change
    assert pulled(online) == []


def test_copy_from_a_registry(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    result = online.build(f"FROM scratch\nCOPY --from={name} /a /x\n")
    assert online.read(result.image_id, "x") == "one"


def test_a_mount_from_a_registry(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    result = online.build(f"FROM busybox\nRUN --mount=from={name},target=/m cat /m/b > /x\n")
    assert online.read(result.image_id, "x") == "two"


def test_a_context_that_is_an_image_of_a_registry(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    contexts = {"base": f"docker-image://{name}"}
    result = online.build("FROM base\nCOPY --from=base /a /x\n", contexts=contexts)
    assert online.read(result.image_id, "x") == "one"
    assert pulled(online) == [f"pulling {name}"]


def test_triggers_of_a_base_that_is_pulled(liar: Liar, online: Kitchen) -> None:
    online.write({"c": "three"})
    name = liar.put(image({"a": b"1"}, onbuild=["COPY c /triggered"]), "app")
    result = online.build(f"FROM {name}\n")
    assert online.read(result.image_id, "triggered") == "three"


def test_a_build_from_the_cache_asks_nobody(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    text = f"FROM {name}\nWORKDIR /w\n"
    online.build(text)
    before = len(liar.site.asked)
    assert online.build(text).cached
    assert len(liar.site.asked) == before


# --- --pull


def test_pull_asks_for_each_base_and_fetches_nothing(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    text = f"FROM {name}\nCOPY --from={name} /a /x\n"
    online.build(text)
    before, entered = len(liar.site.asked), online.entered
    assert online.build(text, pull=True).cached
    asked = [how for how, path, _ in liar.site.asked[before:] if "/manifests/" in path]
    assert asked == ["HEAD"]
    assert online.entered == entered and pulled(online) == []


def test_pull_takes_a_moved_tag(liar: Liar, online: Kitchen) -> None:
    name = liar.put(MADE, "app")
    text = f"FROM {name}\nWORKDIR /w\n"
    first = online.build(text)
    liar.put(image({"a": b"moved"}), "app")
    assert online.build(text).image_id == first.image_id  # without it, what the store has
    second = online.build(text, pull=True)
    assert online.read(second.image_id, "a") == "moved"
    assert pulled(online) == [f"pulling {name}"]


def test_pull_of_an_image_that_only_the_store_has(online: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="busybox:latest: localhost:1: connection refused") as caught:
        online.build("FROM busybox\n", pull=True)
    assert (caught.value.line, caught.value.column) == (1, 6)


# --- platforms


def test_the_image_for_the_platform(liar: Liar, online: Kitchen) -> None:
    whole = both(b"1 ")
    name = liar.put(whole, "app")
    result = online.build(f"FROM {name}\nWORKDIR /w\n")
    assert online.read(result.image_id, "p") == f"1 {HOST}"
    result = online.build(f"FROM --platform={OTHER} {name}\nWORKDIR /w\n")
    assert online.read(result.image_id, "p") == f"1 {OTHER}"
    assert len(indexdb.members(online.db.read(), Digest(whole.digest))) == 2
    before = len(liar.site.asked)
    online.build(f"FROM --platform={OTHER} {name}\nWORKDIR /w\n")
    assert len(liar.site.asked) == before


def test_both_platforms_come_from_one_index(liar: Liar, online: Kitchen) -> None:
    """The tag moves between the two: what the store has of the name stays one thing."""
    name = liar.put(both(b"1 "), "app")
    online.build(f"FROM {name}\n")
    liar.put(both(b"2 "), "app")
    result = online.build(f"FROM --platform={OTHER} {name}\nWORKDIR /w\n")
    assert online.read(result.image_id, "p") == f"1 {OTHER}"


def test_a_build_for_several_platforms(liar: Liar, online: Kitchen) -> None:
    name = liar.put(both(b"1 "), "app")
    result = online.build(f"FROM {name}\nWORKDIR /w\n", platforms=(str(HOST), str(OTHER)), pull=True)
    read = {str(each.platform): online.read(each.image_id, "p") for each in result.images}
    assert read == {str(HOST): f"1 {HOST}", str(OTHER): f"1 {OTHER}"}
    assert len([how for how, path, _ in liar.site.asked if how == "HEAD"]) <= 2


def test_no_image_for_the_platform(liar: Liar, online: Kitchen) -> None:
    name = liar.put(both(b"1 "), "app")
    with pytest.raises(DockerfileError, match="no matching manifest for linux/s390x") as caught:
        online.build(f"FROM --platform=linux/s390x {name}\n")
    assert caught.value.column == 1 + len("FROM --platform=linux/s390x ")


# --- errors, each at its word


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            "FROM nosuch:1\n",
            1,
            "image not found in the store: nosuch:1; cannot fetch the manifest of nosuch:1",
        ),
        ("FROM scratch\nCOPY --from=nosuch:1 /a /b\n", 2, "image not found in the store: nosuch:1; cannot"),
        ("FROM r.invalid/a\n", 1, "r.invalid/a; .*: cannot look up r.invalid: no such host"),
        ("FROM HOST/nosuch:1\n", 1, "manifest for .*/nosuch:1 not found: "),
        (
            "FROM HOST/denied\n",
            1,
            "pull access denied for .*/denied, repository does not exist or may require",
        ),
        ("FROM HOST/html\n", 1, "'text/html', which is no manifest"),
        ("FROM HOST/wrong\n", 1, "blob .* of .*/wrong:latest is not what the manifest says"),
        ("FROM scratch\nCOPY --from=HOST/wrong /a /b\n", 2, "blob .* of .*/wrong:latest is not what"),
    ],
)
def test_errors_name_the_image_and_the_line(
    liar: Liar, online: Kitchen, text: str, line: int, words: str
) -> None:
    pages = liar.site.pages
    pages["/v2/denied/manifests/latest"] = lambda handler: handler.reply(401)
    pages["/v2/html/manifests/latest"] = lambda handler: handler.reply(200, b"<p>", Content_Type="text/html")
    liar.put(MADE, "wrong")
    pages[f"/v2/wrong/blobs/{MADE.layers[0]}"] = b"something else"
    with pytest.raises(DockerfileError, match=words) as caught:
        online.build(text.replace("HOST", liar.host))
    assert caught.value.line == line
    assert [name for name, _ in imagedb.all_tags(online.db.read())] == ["docker.io/library/busybox:latest"]


def test_offline(kitchen: Kitchen, liar: Liar) -> None:
    name = liar.put(MADE, "app")
    kitchen.registries = Settings(offline=True)
    with pytest.raises(DockerfileError, match=f"image not found in the store: {name}$") as caught:
        kitchen.build(f"FROM {name}\n")
    assert "`lamina load`" in (caught.value.hint or "")
    assert not liar.site.asked


_CACHED = """
import sys
from lamina.engine.engine import Engine
from lamina.build.request import BuildRequest
with Engine.open(sys.argv[1]) as engine:
    done = engine.build(BuildRequest(sys.argv[2], b"FROM scratch\\nCOPY c /\\n"))
    assert done.cached is (sys.argv[3] == "2")
heavy = {name for name in sys.modules if name.startswith(("lamina.registry", "lamina.fetch", "urllib3"))}
light = set() if done.cached else {"lamina.fetch", "lamina.fetch.stopping"}  # the latter stops work
assert heavy == light, heavy
"""


def test_a_build_from_the_cache_loads_nothing_of_it(kitchen: Kitchen) -> None:
    kitchen.write({"c": "x"})
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "LAMINA_OFFLINE": ""}
    for time in "12":
        command = [sys.executable, "-c", _CACHED, str(kitchen.folder / "other"), str(kitchen.context), time]
        subprocess.run(command, env=environ, check=True)

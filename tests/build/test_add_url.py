"""ADD of URLs: where the file goes, what it is there, and when it is fetched again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from lamina.build.contexts import Contexts
from lamina.build.errors import BuildFailed
from lamina.build.given import Secret
from lamina.build.remote import RemoteFile
from lamina.build.request import BuildRequest
from lamina.db.urls import UrlRow
from lamina.dockerfile import DockerfileError
from lamina.errors import Corrupt
from lamina.events import ignore
from lamina.gc.context import Context as GcContext
from lamina.gc.sweep import sweep
from tests.fetch.server import MODIFIED, Handler, Site, serve

from .elsewhere import left_over, tar
from .kitchen import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)
BIG = os.urandom(1 << 20)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def digest(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize(
    ("dest", "shown"),
    [
        ("/x", {"x": "f 600 0:0"}),
        ("/d/", {"d": "d 755 0:0", "d/f.txt": "f 600 0:0"}),
        ("/a/b/c", {"a": "d 755 0:0", "a/b": "d 755 0:0", "a/b/c": "f 600 0:0"}),
        (".", {"f.txt": "f 600 0:0"}),
    ],
)
def test_the_destination(kitchen: Kitchen, site: Site, dest: str, shown: dict[str, str]) -> None:
    site.pages["/p/f.txt"] = b"hello"
    image = kitchen.build(f"FROM scratch\nADD {site.url}/p/f.txt?x=y {dest}").image_id
    assert kitchen.listing(image) == shown
    (entry,) = [entry for entry in kitchen.files(image).walk() if entry.kind.value == "f"]
    assert entry.mtime == MODIFIED * 10**9


def test_a_folder_that_is_there_takes_the_file(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f.txt"] = b"hello"
    image = kitchen.build(f"FROM busybox\nADD {site.url}/f.txt /tmp").image_id
    assert kitchen.read(image, "tmp/f.txt") == "hello"


def test_a_url_without_a_name(kitchen: Kitchen, site: Site) -> None:
    site.pages["/"] = b"hello"
    image = kitchen.build(f"FROM scratch\nADD {site.url}/ /d/").image_id
    assert kitchen.listing(image, "d") == {"__unnamed__": "f 600 0:0"}


def test_without_last_modified_the_time_is_zero(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = lambda handler: handler.reply(200, b"x")
    image = kitchen.build(f"FROM scratch\nADD {site.url}/f /f").image_id
    entry = kitchen.files(image).get(b"f")
    assert entry is not None
    assert entry.mtime == 0


def test_source_date_epoch(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    args = {"SOURCE_DATE_EPOCH": "1000"}
    image = kitchen.build(f"FROM scratch\nADD {site.url}/f /d/", build_args=args).image_id
    assert {entry.mtime for entry in kitchen.files(image).walk(b"d")} == {1000 * 10**9}


def test_chown_and_chmod(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    image = kitchen.build(f"FROM busybox\nADD --chown=worker:5 --chmod=755 {site.url}/f /f").image_id
    assert kitchen.listing(image)["f"] == "f 755 1234:5"


def test_link(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    first = kitchen.build(f"FROM busybox\nADD --link {site.url}/f /d/").image_id
    assert kitchen.listing(first, "d") == {"f": "f 600 0:0"}
    assert kitchen.build(f"FROM scratch\nADD --link {site.url}/f /d/").cached


def test_several_sources_beside_files_of_the_context(kitchen: Kitchen, site: Site) -> None:
    kitchen.write({"one": "1", "two": "2"})
    site.pages["/u"], site.pages["/v"] = b"u", b"v"
    image = kitchen.build(f"FROM scratch\nADD one {site.url}/u two {site.url}/v /d/").image_id
    assert sorted(kitchen.listing(image, "d")) == ["one", "two", "u", "v"]
    with pytest.raises(DockerfileError, match="the destination must be a directory"):
        kitchen.build(f"FROM scratch\nADD {site.url}/u {site.url}/v /d")


def test_no_context_is_needed(kitchen: Kitchen, site: Site) -> None:
    site.pages["/u"] = b"u"
    assert kitchen.build(f"FROM scratch\nADD {site.url}/u /u", context=None).image_id


def test_two_urls_of_one_name(kitchen: Kitchen, site: Site) -> None:
    site.pages["/a/f"], site.pages["/b/f"] = b"1", b"2"
    with pytest.raises(DockerfileError, match="would both become f"):
        kitchen.build(f"FROM scratch\nADD {site.url}/a/f {site.url}/b/f /d/")


def test_variables_in_a_url(kitchen: Kitchen, site: Site) -> None:
    site.pages["/v1/f"] = b"x"
    image = kitchen.build(f"FROM scratch\nARG V=v1\nENV BASE={site.url}\nADD $BASE/${{V}}/f /f").image_id
    assert kitchen.read(image, "f") == "x"
    assert f"ADD {site.url}/v1/f /f" in kitchen.config(image).history[-1].created_by


def test_archives_are_unpacked_only_on_demand(kitchen: Kitchen, site: Site) -> None:
    site.pages["/t.tgz"] = tar({"a": "a", "d/b": "b"}, "w:gz")
    plain = kitchen.build(f"FROM scratch\nADD {site.url}/t.tgz /x/").image_id
    assert kitchen.listing(plain, "x") == {"t.tgz": "f 600 0:0"}
    unpacked = kitchen.build(f"FROM scratch\nADD --unpack {site.url}/t.tgz /x/").image_id
    assert kitchen.listing(unpacked, "x") == {
        "a": "f 644 1000:1000",
        "d": "d 755 0:0",
        "d/b": "f 644 1000:1000",
    }
    packed = kitchen.build(f"FROM scratch\nADD --unpack=false {site.url}/t.tgz /x/")
    assert kitchen.listing(packed.image_id, "x") == {"t.tgz": "f 600 0:0"}


def test_unpack_false_copies_an_archive_of_the_context(kitchen: Kitchen) -> None:
    kitchen.write({"t.tar": tar({"a": "a"})})
    image = kitchen.build("FROM scratch\nADD --unpack=false t.tar /x/").image_id
    assert sorted(kitchen.listing(image, "x")) == ["t.tar"]
    image = kitchen.build("FROM scratch\nADD --unpack=true t.tar /x/").image_id
    assert sorted(kitchen.listing(image, "x")) == ["a"]


# --- the cache


def test_an_unchanged_url_is_asked_for_and_not_fetched(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = BIG
    dockerfile = f"FROM busybox\nADD {site.url}/f /f\nRUN true"
    assert not kitchen.build(dockerfile).cached
    entered = kitchen.entered
    assert kitchen.build(dockerfile).cached
    assert kitchen.entered == entered
    assert site.header("If-None-Match")[-1]
    assert len(site.asked) == 2


def test_a_changed_url_is_fetched(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"old"
    dockerfile = f"FROM scratch\nADD {site.url}/f /f"
    kitchen.build(dockerfile)
    site.pages["/f"] = b"new"
    again = kitchen.build(dockerfile)
    assert not again.cached
    assert kitchen.read(again.image_id, "f") == "new"


def test_the_same_content_from_elsewhere_is_the_same_step(kitchen: Kitchen, site: Site) -> None:
    site.pages["/a/f"] = site.pages["/b/f"] = b"same"
    kitchen.build(f"FROM scratch\nADD {site.url}/a/f /f")
    assert kitchen.build(f"FROM scratch\nADD {site.url}/b/f /f").cached


def test_on_another_base_an_unchanged_url_is_taken_from_the_store(kitchen: Kitchen, site: Site) -> None:
    sent = []

    def answer(handler: Handler) -> None:
        if handler.headers.get("If-None-Match") == '"1"':
            handler.reply(304, ETag='"1"')
        else:
            sent.append(1)
            handler.reply(200, BIG, ETag='"1"')

    site.pages["/f"] = answer
    kitchen.build(f"FROM scratch\nADD {site.url}/f /f")
    image = kitchen.build(f"FROM busybox\nADD {site.url}/f /f").image_id
    with kitchen.files(image).open(b"f") as file:
        assert file.read() == BIG
    assert len(sent) == 1


def test_what_the_store_lost_is_fetched_again(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = BIG
    dockerfile = f"FROM scratch\nADD {site.url}/f /f"
    kitchen.build(dockerfile, tags=("f",))
    kitchen.lease.release()
    sweep(GcContext(*kitchen.ctx), cache=True, all_images=True)
    with kitchen.db.write() as c:
        c.execute("DELETE FROM leases")
    sweep(GcContext(*kitchen.ctx), cache=True, all_images=True)
    assert not kitchen.build(dockerfile).cached


def test_one_build_asks_once(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    kitchen.build(
        f"FROM busybox AS a\nADD {site.url}/f /f\nFROM busybox AS b\nRUN true\nADD {site.url}/f /g\n"
        "FROM scratch\nCOPY --from=a /f /\nCOPY --from=b /g /"
    )
    assert site.paths == ["/f"]


# --- --checksum


def test_a_checksum_makes_asking_needless(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    dockerfile = f"FROM busybox\nADD --checksum={digest(b'x')} {site.url}/f /f"
    kitchen.build(dockerfile)
    asked = len(site.asked)
    assert kitchen.build(dockerfile).cached
    other = kitchen.build(dockerfile.replace("busybox", "scratch"))
    assert kitchen.read(other.image_id, "f") == "x"
    assert len(site.asked) == asked == 1


def test_a_checksum_and_none_are_the_same_step(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    kitchen.build(f"FROM busybox\nADD {site.url}/f /f")
    assert kitchen.build(f"FROM busybox\nADD --checksum={digest(b'x')} {site.url}/f /f").cached


def test_a_wrong_checksum(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    with pytest.raises(DockerfileError, match="digest mismatch") as caught:
        kitchen.build(f"FROM busybox\n\nADD --checksum={digest(b'y')} {site.url}/f /f")
    assert caught.value.line == 3
    assert digest(b"x") in caught.value.message
    assert left_over(kitchen) == []


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ADD --checksum=sha256:12 {}/f /f", "checksum|digest"),
        ("ADD --checksum=md5:0123 {}/f /f", "checksum|digest"),
        ("ADD --checksum={d} {}/f {}/g /f/", "checksum can't be specified for multiple sources"),
        ("ADD --checksum={d} f /f", r"checksum requires HTTP\(S\) or Git sources"),
        ("COPY {}/f /f", "source can't be a URL for COPY"),
        ("COPY {}/f.git /f", "source can't be a URL for COPY"),
        ("COPY git@h:f /f", "source can't be a git ref for COPY"),
    ],
)
def test_refused(kitchen: Kitchen, site: Site, line: str, message: str) -> None:
    site.pages["/f"] = site.pages["/g"] = b"x"
    text = line.replace("{d}", digest(b"x")).replace("{}", site.url)
    with pytest.raises(DockerfileError, match=message) as caught:
        kitchen.build(f"FROM busybox\n{text}")
    assert caught.value.line == 2


# --- failures


def test_an_error_points_at_the_url(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"x"
    url = site.url.replace("://", "://me:s3cret@")
    with pytest.raises(DockerfileError, match=r"localhost:\d+ answered 404") as caught:
        kitchen.build(f"FROM busybox\nADD {site.url}/f {url}/nothing /d/")
    assert (caught.value.line, caught.value.column) == (2, len(f"ADD {site.url}/f ") + 1)
    assert "s3cret" not in caught.value.message


def test_a_url_that_changes_between_key_and_content(kitchen: Kitchen, site: Site) -> None:
    """What the key was made of is what must come, or the build fails."""
    site.pages["/f"] = b"x"
    kitchen.build(f"FROM scratch\nADD {site.url}/f /f", tags=("f",))
    contexts = Contexts(kitchen.ctx, BuildRequest(None, b""), HOST, ignore, lambda: None)
    row = UrlRow(site.url + "/f", "", "", hashlib.sha256(b"y").hexdigest(), 1, 0)
    file = RemoteFile(contexts.remotes, site.url + "/f", row, None)
    with pytest.raises(Corrupt, match="digest mismatch"):
        file.open()
    contexts.close()


def test_secrets_of_the_build_are_sent(kitchen: Kitchen, site: Site) -> None:
    def answer(handler: Handler) -> None:
        handler.reply(200 if handler.headers.get("Authorization") else 401, b"x")

    site.pages["/f"] = answer
    dockerfile = f"FROM scratch\nADD {site.url}/f /f"
    with pytest.raises(DockerfileError, match="answered 401") as caught:
        kitchen.build(dockerfile)
    assert "HTTP_AUTH_TOKEN_localhost" in (caught.value.hint or "")
    token = kitchen.folder / "token"
    token.write_text("s3cret\n")
    kitchen.build(dockerfile, secrets=(Secret("HTTP_AUTH_TOKEN_localhost", str(token)),))
    kitchen.build(dockerfile, secrets=(Secret("HTTP_AUTH_HEADER_localhost", value=b"Basic abc"),))
    with pytest.raises(DockerfileError, match="answered 401"):
        kitchen.build(dockerfile, secrets=(Secret("HTTP_AUTH_TOKEN_other", value=b"no"),))
    assert site.header("Authorization") == [None, "Bearer s3cret", "Basic abc", None]
    (noted,) = kitchen.db.read().execute("SELECT group_concat(ingredients) FROM steps").fetchone()
    assert "s3cret" not in noted


def test_proxies_are_those_of_the_build_arguments(kitchen: Kitchen, site: Site) -> None:
    site.pages["/f"] = b"by proxy"
    dockerfile = "FROM scratch\nADD http://example.test/f /f"
    image = kitchen.build(dockerfile, build_args={"http_proxy": site.url}).image_id
    assert kitchen.read(image, "f") == "by proxy"
    assert kitchen.build(dockerfile, proxies={"HTTP_PROXY": site.url}).cached
    assert site.paths == ["http://example.test/f"] * 2


def test_a_failure_elsewhere_stops_a_transfer(kitchen: Kitchen, site: Site) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hang(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"x")
        handler.wfile.flush()
        asked.set()
        go_on.wait(30)
        handler.close_connection = True

    site.pages["/slow"] = hang
    start = time.monotonic()
    try:
        with pytest.raises(BuildFailed, match="exit code: 3"):
            kitchen.build(
                f"FROM busybox AS a\nRUN true\nADD {site.url}/slow /f\n"
                "FROM busybox AS b\nRUN sleep 1; exit 3\n"
                "FROM scratch\nCOPY --from=a /f /\nCOPY --from=b /etc /"
            )
        assert asked.is_set()
        assert time.monotonic() - start < 20
    finally:
        go_on.set()
    assert left_over(kitchen) == []


def test_nothing_new_is_loaded_by_a_build_without_urls(kitchen: Kitchen) -> None:
    program = """
import sys
import lamina.build.build, lamina.engine.engine, lamina.cli.commands.build
heavy = {"urllib3", "ssl", "http", "email", "subprocess", "urllib.parse"}
print(sorted(heavy & set(sys.modules)), [name for name in sys.modules if name.startswith("lamina.fetch")])
"""
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[] []"

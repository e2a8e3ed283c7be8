"""ADD of Git repositories: which files come, and what the step is known by."""

from __future__ import annotations

import hashlib
import shutil
from typing import TYPE_CHECKING

import pytest

from lamina.build.adding import Several
from lamina.build.context import Context
from lamina.build.given import Secret, SshForward
from lamina.build.source import walk
from lamina.dockerfile import DockerfileError
from tests.fetch.server import MODIFIED, Handler, Site, git_http, serve

from .elsewhere import left_over, repository, still_open

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kitchen import Kitchen

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed"),
]
FILES = {"x": "1", "d/y": "2", "d/z": "3"}


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


def fetched(site: Site) -> int:
    """How often objects were asked for, other than lists of refs."""
    return sum("git-upload-pack" in path and "info/refs" not in path for path in site.paths)


def test_the_contents_of_a_repository(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit(FILES)
    image = kitchen.build(f"FROM busybox\nADD {site.url}/a.git /g").image_id
    assert kitchen.listing(image, "g") == {
        "x": "f 644 0:0",
        "d": "d 755 0:0",
        "d/y": "f 644 0:0",
        "d/z": "f 644 0:0",
    }
    times = {entry.mtime for entry in kitchen.files(image).walk(b"g/d")}
    assert times == {MODIFIED * 10**9}
    assert left_over(kitchen) == still_open(kitchen) == []


def test_ref_and_folder(kitchen: Kitchen, site: Site) -> None:
    made = repository(kitchen, site)
    made.commit({"d/y": "old"})
    made.run("tag", "v1")
    made.commit({"d/y": "new"})
    for rest, content in {"#v1:d": "old", "#:d": "new", "?tag=v1&subdir=d": "old"}.items():
        image = kitchen.build(f"FROM scratch\nADD {site.url}/a.git{rest} /g/").image_id
        assert list(kitchen.listing(image, "g")) == ["y"]
        assert kitchen.read(image, "g/y") == content


def test_chown_chmod_exclude_and_epoch(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit(FILES)
    flags = "--chown=7:8 --chmod=600 --exclude=d/z"
    image = kitchen.build(
        f"FROM busybox\nADD {flags} {site.url}/a.git#:. /g", build_args={"SOURCE_DATE_EPOCH": "5"}
    ).image_id
    assert kitchen.listing(image, "g") == {"x": "f 600 7:8", "d": "d 600 7:8", "d/y": "f 600 7:8"}
    assert {entry.mtime for entry in kitchen.files(image).walk(b"g")} == {5 * 10**9}


def test_several_sources(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit(FILES)
    site.pages["/f"] = b"f"
    kitchen.write({"one": "1"})
    image = kitchen.build(f"FROM scratch\nADD one {site.url}/a.git {site.url}/f /g/").image_id
    assert sorted(kitchen.listing(image, "g")) == ["d", "d/y", "d/z", "f", "one", "x"]


def test_the_commit_is_what_counts(kitchen: Kitchen, site: Site) -> None:
    made = repository(kitchen, site)
    first = made.commit(FILES)
    dockerfile = f"FROM scratch\nADD {site.url}/a.git /g"
    kitchen.build(dockerfile)
    before = fetched(site)
    assert kitchen.build(dockerfile).cached
    assert fetched(site) - before == 1  # a list of refs (protocol 2), and nothing else
    asked = len(site.asked)
    assert kitchen.build(f"FROM scratch\nADD {site.url}/a.git#{first} /g").cached
    assert len(site.asked) == asked
    made.commit({"x": "new"})
    again = kitchen.build(dockerfile)
    assert not again.cached
    assert kitchen.read(again.image_id, "g/x") == "new"


def test_keep_git_dir(kitchen: Kitchen, site: Site) -> None:
    commit = repository(kitchen, site).commit(FILES)
    for add in (f"ADD --keep-git-dir=true {site.url}/a.git", f"ADD {site.url}/a.git?keep-git-dir=1"):
        image = kitchen.build(f"FROM busybox\n{add} /g").image_id
        assert kitchen.read(image, "g/.git/HEAD").strip() == commit
    without = kitchen.build(f"FROM busybox\nADD --keep-git-dir=false {site.url}/a.git /g").image_id
    assert ".git" not in kitchen.listing(without, "g")
    with pytest.raises(DockerfileError, match="inconsistent keep-git-dir"):
        kitchen.build(f"FROM busybox\nADD --keep-git-dir=false {site.url}/a.git?keep-git-dir=1 /g")


def test_keep_git_dir_makes_any_url_a_repository(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit(FILES)

    def renamed(handler: Handler) -> None:
        handler.path = handler.path.replace("/plain/", "/a.git/")
        git_http(handler, site.repositories)

    site.pages["/plain/info/refs"] = site.pages["/plain/git-upload-pack"] = renamed
    image = kitchen.build(f"FROM scratch\nADD --keep-git-dir=false {site.url}/plain /g").image_id
    assert kitchen.read(image, "g/x") == "1"


def test_checksum(kitchen: Kitchen, site: Site) -> None:
    commit = repository(kitchen, site).commit(FILES)
    assert kitchen.build(f"FROM busybox\nADD --checksum={commit} {site.url}/a.git#main /g")
    assert kitchen.build(f"FROM busybox\nADD --checksum={commit[:7]} {site.url}/a.git /g").cached
    with pytest.raises(DockerfileError, match=f"expected checksum to match 0123abc, got {commit}") as caught:
        kitchen.build(f"FROM busybox\nADD --checksum=0123abc {site.url}/a.git /g")
    assert caught.value.line == 2
    with pytest.raises(DockerfileError, match="expected hex commit hash"):
        kitchen.build(f"FROM busybox\nADD --checksum=sha256:{'0' * 64} {site.url}/a.git /g")
    with pytest.raises(DockerfileError, match="checksum mismatch"):
        kitchen.build(f"FROM busybox\nADD --checksum={commit} {site.url}/a.git?checksum=0123 /g")


def test_submodules(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site, "inner").commit({"i": "inner"})
    made = repository(kitchen, site)
    made.commit(FILES)
    made.run("submodule", "--quiet", "add", f"{site.url}/inner.git", "sub")
    made.commit({})
    image = kitchen.build(f"FROM scratch\nADD {site.url}/a.git /g").image_id
    assert kitchen.read(image, "g/sub/i") == "inner"
    assert "sub/.git" not in kitchen.listing(image, "g")
    without = kitchen.build(f"FROM scratch\nADD {site.url}/a.git?submodules=0 /g").image_id
    assert "sub/i" not in kitchen.listing(without, "g")


@pytest.mark.parametrize(
    ("secret", "value", "sent"),
    [
        ("GIT_AUTH_TOKEN", b"s3cret\n", "basic eC1hY2Nlc3MtdG9rZW46czNjcmV0"),
        ("GIT_AUTH_HEADER", b"Bearer abc", "Bearer abc"),
        ("GIT_AUTH_TOKEN.{host}", b"s3cret", "basic eC1hY2Nlc3MtdG9rZW46czNjcmV0"),
    ],
)
def test_secrets_of_the_build_are_sent(
    kitchen: Kitchen, site: Site, secret: str, value: bytes, sent: str
) -> None:
    repository(kitchen, site).commit(FILES)

    def private(handler: Handler) -> None:
        if handler.headers.get("Authorization") == sent:
            git_http(handler, site.repositories)
        else:
            handler.reply(401, WWW_Authenticate="Basic")

    site.pages["/a.git/info/refs"] = site.pages["/a.git/git-upload-pack"] = private
    dockerfile = f"FROM scratch\nADD {site.url}/a.git /g"
    with pytest.raises(DockerfileError, match="failed to fetch remote") as caught:
        kitchen.build(dockerfile)
    assert "GIT_AUTH_TOKEN" in (caught.value.hint or "")
    name = secret.format(host=site.url.removeprefix("http://"))
    assert kitchen.build(dockerfile, secrets=(Secret(name, value=value),))


def test_ssh_needs_a_key(kitchen: Kitchen) -> None:
    with pytest.raises(DockerfileError, match="no SSH key is given to the build") as caught:
        kitchen.build("FROM scratch\nADD git@host.invalid:a/b.git /g")
    assert "--ssh default" in (caught.value.hint or "")
    key = kitchen.folder / "key"
    key.write_text("no key")
    with pytest.raises(DockerfileError, match=r"failed to fetch remote git@host\.invalid"):
        kitchen.build(
            "FROM scratch\nADD git@host.invalid:a/b.git /g", ssh=(SshForward("default", (str(key),)),)
        )


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("#nothing", "does not contain ref nothing"),
        ("#main:nothing", "failed to open subdir nothing"),
        ("#main:out", "leads out of"),
        ("?what=ever", 'unexpected query "what"'),
        ("#--upload-pack=touch", "invalid Git reference"),
    ],
)
def test_refused(kitchen: Kitchen, site: Site, rest: str, message: str) -> None:
    made = repository(kitchen, site)
    (made.tree / "out").symlink_to("/etc")
    made.commit(FILES)
    with pytest.raises(DockerfileError, match=message) as caught:
        kitchen.build(f"FROM scratch\n\nADD {site.url}/a.git{rest} /g")
    assert caught.value.line == 3
    assert left_over(kitchen) == []


def test_several_sources_are_read_as_one(kitchen: Kitchen) -> None:
    """Each source has a root of its own, beside the paths of the context."""
    trees = []
    for name in ("main", "other"):
        folder = kitchen.folder / name
        (folder / "d").mkdir(parents=True)
        (folder / "d/f").write_text(name)
        trees.append(Context(str(folder), None, {}))
    both = Several(trees[0], {b"\x001": trees[1]})
    assert [entry.path for entry in walk(both, b"")] == [b"d", b"d/f"]
    assert [entry.path for entry in walk(both, b"\x001")] == [b"\x001/d", b"\x001/d/f"]
    for path, content in {b"d/f": b"main", b"\x001/d/f": b"other"}.items():
        entry = both.get(path)
        assert entry is not None
        assert entry.path == path
        assert both.digest(entry) == hashlib.sha256(content).hexdigest()
        with both.open(entry) as file:
            assert file.read() == content
    for tree in trees:
        tree.close()

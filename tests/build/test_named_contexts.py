"""Further contexts (--build-context): whatever they are, and wherever a Dockerfile names them."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.contexts import Contexts
from lamina.build.request import BuildRequest
from lamina.dockerfile import DockerfileError
from lamina.errors import InvalidInput, NotFound
from lamina.events import ignore
from lamina.oci.config import ContainerConfig
from lamina.transfer.save import save
from tests.fetch.server import Site, serve

from .elsewhere import left_over, repository, still_open, tar
from .kitchen import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kitchen import Kitchen

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def site() -> Iterator[Site]:
    with serve() as made:
        yield made


@pytest.fixture
def other(kitchen: Kitchen) -> Path:
    """A folder beside the main context."""
    folder = kitchen.folder / "other"
    (folder / "d").mkdir(parents=True)
    (folder / "f").write_text("named")
    (folder / "d/g").write_text("deep")
    return folder


def test_copy_from_a_folder(kitchen: Kitchen, other: Path) -> None:
    kitchen.write({"f": "main"})
    dockerfile = "FROM scratch\nCOPY --from=more f d /\nCOPY f /m"
    image = kitchen.build(dockerfile, contexts={"more": str(other)}).image_id
    assert kitchen.listing(image) == {"f": "f 644 0:0", "g": "f 644 0:0", "m": "f 644 0:0"}
    assert kitchen.read(image, "f") == "named"
    assert kitchen.build(dockerfile, contexts={"more": str(other)}).cached
    (other / "f").write_text("changed")
    assert kitchen.ran(kitchen.build(dockerfile, contexts={"more": str(other)})) == ["COPY --from=more"]


def test_its_own_dockerignore_counts(kitchen: Kitchen, other: Path) -> None:
    (other / ".dockerignore").write_text("d\n")
    kitchen.write({".dockerignore": "f\n"})
    image = kitchen.build("FROM scratch\nCOPY --from=more . /", contexts={"more": str(other)}).image_id
    assert sorted(kitchen.listing(image)) == [".dockerignore", "f"]


def test_from_a_folder(kitchen: Kitchen, other: Path) -> None:
    dockerfile = 'FROM more\nCOPY f /m\nCMD ["x"]'
    kitchen.write({"f": "main"})
    result = kitchen.build(dockerfile, contexts={"more": str(other)})
    assert sorted(kitchen.listing(result.image_id)) == ["d", "d/g", "f", "m"]
    config = kitchen.config(result.image_id)
    assert config.config.cmd == ("x",)
    assert config.config.env == ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",)
    assert config.history[0].created_by == "[context more] load from client"
    assert len(config.diff_ids) == 2
    assert kitchen.build(dockerfile, contexts={"more": str(other)}).cached
    (other / "f").write_text("changed")
    assert not kitchen.build(dockerfile, contexts={"more": str(other)}).cached


def test_a_run_mounts_it(kitchen: Kitchen, other: Path) -> None:
    dockerfile = "FROM busybox\nRUN --mount=from=more,target=/m cat /m/f /m/d/g > /out"
    image = kitchen.build(dockerfile, contexts={"more": str(other)}).image_id
    assert kitchen.read(image, "out") == "nameddeep"


def test_an_image(kitchen: Kitchen) -> None:
    kitchen.add_image(
        "tools:v1", ContainerConfig(env=("FROM=tools",), on_build=("ENV B=on",)), {"t": b"tool"}
    )
    contexts = {"base": "docker-image://tools:v1"}
    result = kitchen.build("FROM base\nCOPY --from=base t /u\n", contexts=contexts)
    assert kitchen.read(result.image_id, "u") == "tool"
    assert "FROM=tools" in kitchen.config(result.image_id).config.env
    assert "B=on" in kitchen.config(result.image_id).config.env
    mounted = kitchen.build("FROM busybox\nRUN --mount=from=base,target=/m cat /m/t > /o", contexts=contexts)
    assert kitchen.read(mounted.image_id, "o") == "tool"
    scratch = kitchen.build("FROM base\n", contexts={"base": "docker-image://scratch"})
    assert kitchen.listing(scratch.image_id) == {}


def test_an_image_by_its_digest(kitchen: Kitchen) -> None:
    image = kitchen.add_image("tools", ContainerConfig(), {"t": b"tool"})
    assert kitchen.build("FROM scratch\nCOPY --from=x t /", contexts={"x": f"docker-image://{image}"})


@pytest.mark.parametrize("name", ["busybox", "busybox:latest", "docker.io/library/busybox"])
@pytest.mark.parametrize("said", ["busybox", "docker.io/library/busybox:latest"])
def test_it_goes_before_an_image_of_its_name(kitchen: Kitchen, other: Path, name: str, said: str) -> None:
    image = kitchen.build(f"FROM {name}", contexts={said: str(other)}).image_id
    assert kitchen.read(image, "f") == "named"


def test_it_goes_before_no_other_image(kitchen: Kitchen, other: Path) -> None:
    kitchen.add_image("tools:v1", ContainerConfig(), {"t": b"tool"})
    image = kitchen.build("FROM tools:v1", contexts={"tools": str(other)}).image_id
    assert kitchen.read(image, "t") == "tool"


def test_it_takes_the_place_of_a_stage(kitchen: Kitchen, other: Path) -> None:
    dockerfile = "FROM busybox AS Base\nRUN exit 1\nFROM base AS next\nCOPY --from=base f /copied\n"
    image = kitchen.build(dockerfile, contexts={"base": str(other)}).image_id
    assert sorted(kitchen.listing(image)) == ["copied", "d", "d/g", "f"]


def test_a_stage_goes_before_an_image_that_a_context_replaces(kitchen: Kitchen, other: Path) -> None:
    """`FROM x AS y` names the stage y wherever y stands later, as long as no context is called y."""
    dockerfile = "FROM busybox AS mine\nRUN echo stage > /f\nFROM scratch\nCOPY --from=mine /f /\n"
    image = kitchen.build(dockerfile, contexts={"yours": str(other)}).image_id
    assert kitchen.read(image, "f") == "stage\n"


def test_for_one_platform_alone(kitchen: Kitchen, other: Path) -> None:
    nothing = "docker-image://nothing"
    ours = kitchen.build("FROM more", contexts={f"more::{HOST}": str(other), "more": nothing})
    assert kitchen.read(ours.image_id, "f") == "named"
    theirs = kitchen.build("FROM more", contexts={"more::linux/s390x": nothing, "more": str(other)})
    assert kitchen.read(theirs.image_id, "f") == "named"


def test_an_archive(kitchen: Kitchen) -> None:
    path = kitchen.folder / "files.tar.gz"
    path.write_bytes(tar({"a": "a", "d/b": "b", ".dockerignore": "a"}, "w:gz"))
    image = kitchen.build("FROM more", contexts={"more": str(path)}).image_id
    assert kitchen.listing(image) == {
        ".dockerignore": "f 644 1000:1000",
        "d": "d 755 0:0",
        "d/b": "f 644 1000:1000",
    }
    assert left_over(kitchen) == still_open(kitchen) == []


def test_stages_that_want_one_at_once_bring_it_once(kitchen: Kitchen) -> None:
    path = kitchen.folder / "files.tar"
    path.write_bytes(tar({f"f{number}": "x" for number in range(300)}))
    request = BuildRequest(None, b"", contexts={"more": str(path)})
    contexts = Contexts(kitchen.ctx, request, HOST, ignore, kitchen.enter)
    start, found = threading.Barrier(4), []

    def bring() -> None:
        start.wait()
        found.append(contexts.files("more"))

    threads = [threading.Thread(target=bring) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert len(left_over(kitchen)) == 1
        assert len({id(one) for one in found}) == 1
    finally:
        contexts.close()


def test_a_url_of_an_archive_or_a_file(kitchen: Kitchen, site: Site) -> None:
    site.pages["/t.tgz"], site.pages["/f.txt"] = tar({"a": "a"}, "w:xz"), b"plain"
    contexts = {"t": site.url + "/t.tgz", "f": site.url + "/f.txt"}
    image = kitchen.build(
        "FROM scratch\nCOPY --from=t a /\nCOPY --from=f f.txt /", contexts=contexts
    ).image_id
    assert kitchen.listing(image) == {"a": "f 644 1000:1000", "f.txt": "f 600 0:0"}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_git_repository(kitchen: Kitchen, site: Site) -> None:
    repository(kitchen, site).commit({"x": "1", "d/y": "2"})
    contexts = {"g": f"{site.url}/a.git#main:d"}
    image = kitchen.build("FROM g\nCOPY --from=g y /z", contexts=contexts).image_id
    assert kitchen.listing(image) == {"y": "f 644 0:0", "z": "f 644 0:0"}
    assert left_over(kitchen) == []


@pytest.fixture
def layout(kitchen: Kitchen) -> str:
    """An OCI layout with the image `tools:v1`, which the store has no more under that name."""
    kitchen.add_image("tools:v1", ContainerConfig(env=("A=b",)), {"t": b"tool"})
    archive, folder = kitchen.folder / "layout.tar", kitchen.folder / "layout"
    with open(archive, "wb") as out:
        save(kitchen.ctx, ["tools:v1"], out.write, "oci-archive")
    folder.mkdir()
    subprocess.run(["tar", "xf", archive, "-C", folder], check=True)
    with kitchen.db.write() as c:
        c.execute("DELETE FROM tags WHERE name LIKE '%tools%'")
    return str(folder)


def test_an_oci_layout(kitchen: Kitchen, layout: str) -> None:
    index = json.loads(Path(layout, "index.json").read_text())
    (manifest,) = [row["digest"] for row in index["manifests"]]
    for place in (layout, f"{layout}:v1", f"{layout}@{manifest}", f"{layout}:v1@{manifest}"):
        result = kitchen.build("FROM x\nCOPY --from=x t /u", contexts={"x": f"oci-layout://{place}"})
        assert kitchen.read(result.image_id, "u") == "tool"
        assert "A=b" in kitchen.config(result.image_id).config.env
    assert kitchen.tag("docker.io/library/tools:v1") is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{}/f", "is no folder and no archive"),
        ("target:app", "names a target of a bake file"),
        ("docker-image://", "docker-image:// names no image"),
        ("docker-image://nothing", "image not found in the store: nothing"),
        ("oci-layout:///nowhere", "oci-layout could not be resolved: /nowhere: no such folder"),
        ("oci-layout://{}", "oci-layout"),
        ("oci-layout://{layout}:v9", "the layout has no image v9"),
        ("http://localhost:1/x", "connection refused"),
    ],
)
@pytest.mark.parametrize("line", ["FROM x", "FROM scratch\nCOPY --from=x f /"])
def test_refused(kitchen: Kitchen, other: Path, layout: str, value: str, message: str, line: str) -> None:
    with pytest.raises(DockerfileError, match=message) as caught:
        kitchen.build(line, contexts={"x": value.replace("{layout}", layout).replace("{}", str(other))})
    assert caught.value.line == line.count("\n") + 1
    assert left_over(kitchen) == []


def test_a_name_that_no_image_could_have(kitchen: Kitchen, other: Path) -> None:
    with pytest.raises(InvalidInput, match="invalid context name UP"):
        kitchen.build("FROM busybox", contexts={"UP": str(other)})


def test_one_that_is_not_used_is_not_looked_at(kitchen: Kitchen) -> None:
    contexts = {"x": "docker-image://nothing", "y": "http://localhost:1/", "z": "oci-layout:///nowhere"}
    assert kitchen.build("FROM busybox\nRUN true", contexts=contexts)


def test_a_path_that_is_not_there_is_refused_even_so(kitchen: Kitchen) -> None:
    message = "failed to get build context x: /nowhere: no such file or directory"
    with pytest.raises(NotFound, match=message):
        kitchen.build("FROM busybox\nRUN true", contexts={"x": "/nowhere"})


def test_a_path_that_it_does_not_have(kitchen: Kitchen, other: Path) -> None:
    with pytest.raises(DockerfileError, match=f'"/no": not found in the build context x \\({other}\\)'):
        kitchen.build("FROM scratch\nCOPY --from=x no /", contexts={"x": str(other)})


def test_a_link_leads_nowhere_else(kitchen: Kitchen, other: Path) -> None:
    (other / "out").symlink_to("/etc/passwd")
    with pytest.raises(DockerfileError, match='"/out": not found'):
        kitchen.build("FROM scratch\nCOPY --from=x out /", contexts={"x": str(other)})

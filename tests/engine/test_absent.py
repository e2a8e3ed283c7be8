"""Every command on an image whose layers are elsewhere: it fetches what it needs files of, and no more."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import lamina
from lamina.build.request import Output
from lamina.containers.request import RunRequest
from lamina.containers.stdio import Stdio
from lamina.events import Event, Notice, Progress
from lamina.layers.absent import Elsewhere, absent
from lamina.layers.context import Layers
from lamina.oci import config as configs
from lamina.oci.digest import DiffID
from lamina.transfer.image_view import read_config
from lamina.transfer.load import load
from lamina.transfer.save import save
from tests.build.kitchen import Kitchen, opened
from tests.layers.conftest import folder, make_store
from tests.registry.conftest import liar, quick
from tests.registry.liar import Liar
from tests.transfer.faraway import known
from tests.transfer.images import entry, make_image

__all__ = ["folder", "liar", "make_store", "quick"]
DPKG = b"Package: hello\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n"


class Away(NamedTuple):
    """A store that knows the image `app` of four layers, two of them empty; and the registry that has it."""

    engine: lamina.Engine
    liar: Liar
    layers: tuple[DiffID, ...]

    @property
    def here(self) -> int:
        """How many of the layers are here."""
        ctx = self.engine._opened.ctx
        return len(set(self.layers)) - len(absent(ctx, self.layers))


@pytest.fixture
def away(make_store: Callable[[], Layers], liar: Liar) -> Iterator[Away]:
    there, here = make_store(), make_store()
    image_id = make_image(there, "app")
    layers = configs.parse(read_config(there, image_id)).diff_ids
    known(there, here, liar, image_id, "app")
    here.db.close()
    here.lease.release()  # else it holds what it told
    with lamina.Engine.open(here.layout.root, environ={}, own_process=True) as engine:
        yield Away(engine, liar, layers)


def test_questions_fetch_nothing(away: Away) -> None:
    engine = away.engine
    assert away.here == 1  # the empty one
    (image,) = engine.images()
    assert image.size > 2000
    assert [item.size > 0 for item in engine.layers("app")] == [True, False, True, False]
    first, empty, *_ = engine.layers("app")
    assert (first.folder, first.places) == ("", (f"{away.liar.host}/cache",))
    assert empty.folder.startswith(engine.root) and empty.places == ()
    assert len(engine.history("app")) == 5
    driver = engine.inspect("app")["GraphDriver"]
    assert isinstance(driver, dict) and driver["Data"]["UpperDir"].startswith(engine.root)
    assert engine.df().images.size == 0  # nothing of it is here
    engine.tag("app", "again")
    assert not away.liar.site.asked and away.here == 1


def test_prune_and_rmi_do_without_the_files(away: Away) -> None:
    away.engine.prune(dangling=True, cache=True)
    assert away.engine.layers("app")[0].places  # where it is stays known as long as it is
    away.engine.rmi("app")
    away.engine.prune(all_images=True, cache=True)
    c = away.engine._opened.ctx.db.read()
    for table in ("diffs", "packed", "places", "layers"):
        assert c.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table
    assert not away.liar.site.asked and os.listdir(f"{away.engine.root}/diff") == []


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_save(away: Away, form: str, make_store: Callable[[], Layers]) -> None:
    out = io.BytesIO()
    away.engine.save(["app"], out, format=form)
    other = make_store()
    with lamina.Engine.open(other.layout.root, environ={}, own_process=True) as engine:
        out.seek(0)
        engine.load(out)
        assert engine.inspect("app")["Id"] == away.engine.inspect("app")["Id"]
        with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
            blobs = [name for name in tar.getnames() if name.startswith("blobs/sha256/")]
        packed = [path.rpartition(":")[2] for path in away.liar.asked() if "/blobs/" in path]
        assert (f"blobs/sha256/{packed[0]}" in blobs) == (form == "oci-archive")  # as it came


def test_mount(away: Away) -> None:
    place = Path(away.engine.mount("app"))
    try:
        assert (place / "etc/passwd").read_bytes().endswith(b"me:x:1:1") and not (place / "old/one").exists()
    finally:
        away.engine.umount("app")


def test_sbom_reads_the_layers_that_have_databases(
    away: Away, make_store: Callable[[], Layers], liar: Liar
) -> None:
    from lamina.layers.write import write_layer
    from lamina.oci.config import ImageConfig, RootFS
    from lamina.transfer.register import register_image

    there, here = make_store(), make_store()
    plain = write_layer(there, [entry(b"usr/share/large", data=b"x" * 1000)])
    packages = write_layer(there, [entry(b"var/lib/dpkg/status", data=DPKG)])
    ids = (plain.diff_id, packages.diff_id)
    image_id = register_image(there, ImageConfig("amd64", "linux", RootFS(ids)), ids).image_id
    known(there, here, liar, image_id, "deb")
    with lamina.Engine.open(here.layout.root, environ={}, own_process=True) as engine:
        bill = engine.sbom("deb")
        assert [package.name for package in bill.packages] == ["hello"]
        assert absent(engine._opened.ctx, ids) == [plain.diff_id]
    liar.site.pages.clear()
    again = make_store()
    known(there, again, liar, image_id, "deb")
    liar.site.pages.clear()
    with (
        lamina.Engine.open(again.layout.root, environ={}, own_process=True) as engine,
        pytest.raises(Elsewhere),  # and no document without the packages
    ):
        engine.sbom("deb")


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}])
def test_an_oci_output_has_the_bytes_that_came(away: Away, tmp_path: Path, options: dict[str, str]) -> None:
    output = Output("oci", str(tmp_path / "out"), {"tar": "false", **options})
    away.engine.build(lamina.BuildRequest(None, b"FROM app\nLABEL a=b\n", output=(output,)))
    index = json.loads((tmp_path / "out/index.json").read_bytes())
    name = index["manifests"][0]["digest"][7:]
    manifest = json.loads((tmp_path / "out/blobs/sha256" / name).read_bytes())
    served = [path.rpartition("/")[2] for path in away.liar.site.pages if "/blobs/" in path]
    first, _, third, _ = [layer["digest"] for layer in manifest["layers"]]  # the others are empty: made here
    assert {first, third} < set(served)


def test_a_folder_as_output(away: Away, tmp_path: Path) -> None:
    output = Output("local", str(tmp_path / "out"))
    away.engine.build(lamina.BuildRequest(None, b"FROM app\n", output=(output,)))
    assert (tmp_path / "out/new/file with space").read_bytes() == b"new"


def test_what_cannot_be_had_is_said(away: Away) -> None:
    away.liar.site.pages.clear()
    with pytest.raises(Elsewhere) as caught:
        away.engine.mount("app")
    assert f"{away.liar.host}/cache: " in caught.value.message
    assert "pull the image again" in str(caught.value.hint)
    assert not os.listdir(f"{away.engine.root}/mnt") and away.here == 1
    for form in ("docker-archive", "oci-archive"):
        out = io.BytesIO()
        with pytest.raises(lamina.LaminaError):
            away.engine.save(["app"], out, format=form)
        assert out.getvalue() == b""


def test_run_commit_export_diff(inside: object, liar: Liar) -> None:
    with opened(Kitchen) as there, opened(Kitchen) as here:
        image_id = there.add_busybox()
        (layer,) = known(there.ctx, here.ctx, liar, image_id, "box")
        with lamina.Engine.open(here.layout.root, environ={}, own_process=True) as engine:
            null, out = os.open(os.devnull, os.O_RDWR), os.memfd_create("out")
            request = RunRequest("box", ("sh", "-c", "echo hi > /made; cat /etc/passwd"), name="it")
            assert engine.run(request, Stdio(null, out, null)).status == 0
            assert b"worker" in os.pread(out, 1000, 0)
            os.close(null)
            os.close(out)
            assert [change.path for change in engine.diff("it")] == ["/made"]
            engine.commit("it", "made")
            assert engine.layers("made")[0].diff_id == layer
            sink = io.BytesIO()
            engine.export("it", sink)
            with tarfile.open(fileobj=io.BytesIO(sink.getvalue())) as tar:
                assert {"made", "bin/busybox"} <= set(tar.getnames())
            engine.rm("it")
    assert len([path for path in liar.asked() if "/blobs/" in path]) == 1


def test_fetch_brings_all_and_tells(away: Away) -> None:
    told: list[Event] = []
    assert away.engine.fetch("app", told.append) == 2 and away.here == 3
    assert len([event for event in told if isinstance(event, Notice) and "complete" in event.text]) == 2
    assert away.engine.fetch("app") == 0


def test_who_opens_the_engine_is_told_of_what_comes(away: Away) -> None:
    told: list[Event] = []
    away.engine.close()
    with lamina.Engine.open(away.engine.root, environ={}, own_process=True, observer=told.append) as engine:
        engine.save(["app"], io.BytesIO())
    assert any(isinstance(event, Progress) for event in told)


def test_load_brings_them_as_well(make_store: Callable[[], Layers], liar: Liar) -> None:
    there, here = make_store(), make_store()
    image_id = make_image(there, "app")
    known(there, here, liar, image_id, "app")
    out = io.BytesIO()
    save(there, ["app"], out.write)
    out.seek(0)
    load(here, out)
    assert absent(here, configs.parse(read_config(there, image_id)).diff_ids) == []
    assert not liar.site.asked

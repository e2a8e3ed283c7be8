"""edit and append: one new layer that does just what was asked, and the config that a Dockerfile makes."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamina.engine.appending import appending
from lamina.engine.editing import FileEdit, editing, file_layer
from lamina.engine.operating import Subject
from lamina.errors import Conflict, InvalidInput, NotFound
from lamina.graph.chmod import parse_mode
from lamina.layers.write import LayerItem, write_layer
from lamina.oci.config import ContainerConfig, Healthcheck, History, ImageConfig
from lamina.oci.digest import ImageID
from lamina.oci.platform import Platform
from lamina.surgery.edit import ConfigEdit, edit_config, edited, words
from lamina.surgery.parts import Line, Parts, put_together
from lamina.tree.entry import Entry, Kind
from tests.surgery.stacks import Stack, seen, stacks, write

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID

IMAGE = ImageID("sha256:" + "1" * 64)
MOMENT = "2024-01-01T00:00:00Z"
BASE = ImageConfig(
    "amd64",
    "linux",
    config=ContainerConfig(
        env=("PATH=/bin", "A=1"),
        labels={"a": "1"},
        cmd=("sh",),
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        user="app",
    ),
)


def below(ctx: Layers) -> list[DiffID]:
    """A layer with accounts, a link, a file of two names, and folders."""
    made = [
        file(b"etc/passwd", b"app:x:10:20::/:\n"),
        file(b"etc/group", b"staff:x:30:\n"),
        LayerItem(Entry(b"bin", Kind.SYMLINK, 0o777, link=b"usr/bin")),
        file(b"usr/bin/tool", b"tool", 0o4755),
        LayerItem(Entry(b"usr/bin/alias", Kind.HARDLINK, link=b"usr/bin/tool")),
        file(b"srv/a", b"a"),
        file(b"srv/deep/b", b"b"),
        LayerItem(Entry(b"srv/link", Kind.SYMLINK, 0o777, link=b"a")),
    ]
    return [write_layer(ctx, made).diff_id]


def file(path: bytes, data: bytes, mode: int = 0o644) -> LayerItem:
    return LayerItem(Entry(path, Kind.FILE, mode, size=len(data), mtime=5_000_000_000), data)


def after(ctx: Layers, edit: FileEdit, epoch: int | None = None) -> dict[str, Entry]:
    """What is to be seen after the edit, by path; every path that it does not name is as before."""
    diffs = below(ctx)
    made = file_layer(ctx, diffs, edit, epoch)
    assert made is not None
    return {os.fsdecode(entry.path): entry for entry in seen(ctx, [*diffs, made])}


def test_remove(store: Layers) -> None:
    before = {os.fsdecode(entry.path): entry for entry in seen(store, below(store))}
    tree = after(store, FileEdit(remove=("/bin/tool", "/srv/link", "/srv/deep")))
    assert before.keys() - tree.keys() == {"usr/bin/tool", "srv/link", "srv/deep", "srv/deep/b"}
    assert tree["usr/bin/alias"].kind in (Kind.FILE, Kind.HARDLINK)
    assert tree["srv/a"] == before["srv/a"]


def plain(entry: Entry) -> Entry:
    """Which of several names is called the file, and which a hard link, does not matter here."""
    return entry._replace(kind=Kind.FILE, link=b"") if entry.digest else entry


ON_STORES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@ON_STORES
@given(stacks(), st.data())
def test_any_path_of_any_stack_goes_and_nothing_else(
    store: Layers, stack: Stack, data: st.DataObject
) -> None:
    diffs = write(store, stack)
    tree = {entry.path: entry for entry in seen(store, diffs) if entry.path}
    if not tree:
        return
    path = data.draw(st.sampled_from(sorted(tree)))
    made = file_layer(store, diffs, FileEdit(remove=("/" + os.fsdecode(path),)), None)
    assert made is not None
    left = {each: entry for each, entry in tree.items() if each != path and not each.startswith(path + b"/")}
    after = [entry for entry in seen(store, [*diffs, made]) if entry.path]
    assert {entry.path: plain(entry) for entry in after} == {
        each: plain(entry) for each, entry in left.items()
    }


@ON_STORES
@given(stacks(), st.sampled_from(["755", "u+s", "a-x", "g=u"]))
def test_modes_change_and_nothing_else(store: Layers, stack: Stack, mode: str) -> None:
    diffs = write(store, stack)
    tree = {entry.path: entry for entry in seen(store, diffs) if entry.path}
    made = file_layer(store, diffs, FileEdit(chmod=((mode, "/"),), recursive=True), None)
    after = {entry.path: entry for entry in seen(store, [*diffs, made] if made else diffs) if entry.path}
    assert after.keys() == tree.keys()
    for path, entry in tree.items():
        is_link, is_folder = entry.kind is Kind.SYMLINK, entry.kind is Kind.DIR
        expected = entry.mode if is_link else parse_mode(mode).apply(entry.mode, is_folder)
        one = after[path]
        assert one.mode == expected, path
        assert plain(one)._replace(mode=0) == plain(entry)._replace(mode=0)


def test_a_folder_is_replaced(store: Layers, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new/c").write_text("c")
    tree = after(store, FileEdit(remove=("/srv",), add=((f"{tmp_path}/new", "/srv"),)))
    assert {path for path in tree if path.startswith("srv")} == {"srv", "srv/c"}


def test_add(store: Layers, tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "one").chmod(0o700)
    os.utime(tmp_path / "one", (7, 7))
    (tmp_path / "[odd]").write_text("2")
    edit = FileEdit(
        add=(
            (f"{tmp_path}/one", "/bin/new"),
            (f"{tmp_path}/one", "/opt/deep/"),
            (f"{tmp_path}/[odd]", "/srv/"),
        )
    )
    tree = after(store, edit)
    new = tree["usr/bin/new"]
    assert (new.mode, new.uid, new.gid, new.mtime, new.size) == (0o700, 0, 0, 7_000_000_000, 1)
    assert tree["opt/deep/one"].digest == new.digest
    assert tree["srv/[odd]"].kind is Kind.FILE
    assert tree["bin"].kind is Kind.SYMLINK, "links on the way stay"
    assert after(store, edit, epoch=9)["usr/bin/new"].mtime == 9_000_000_000


def test_owners_and_modes(store: Layers) -> None:
    one_id = os.stat("/proc/self").st_uid != 0
    if one_id:
        pytest.skip("there is only one ID here")
    tree = after(
        store, FileEdit(chown=(("app:staff", "/bin/tool"),), chmod=(("g+w", "/srv"), ("600", "/srv/link")))
    )
    tool = tree["usr/bin/tool"]
    assert (tool.uid, tool.gid, tool.mode) == (10, 30, 0o755), "setuid goes with chown"
    assert tree["usr/bin/alias"].mode == 0o4755, "another name of it in another layer is another file"
    assert tree["srv"].mode == 0o775
    assert (tree["srv/a"].mode, tree["srv/a"].mtime) == (0o600, 5_000_000_000), "a link is followed"
    assert tree["srv/deep/b"].mode == 0o644
    tree = after(store, FileEdit(chown=(("7", "/"),), recursive=True))
    assert {(entry.uid, entry.gid) for entry in tree.values() if entry.path} == {(7, 7)}
    assert tree["usr/bin/tool"].kind is Kind.HARDLINK or tree["usr/bin/alias"].kind is Kind.HARDLINK


def test_what_changes_nothing_makes_no_layer(store: Layers) -> None:
    assert file_layer(store, below(store), FileEdit(chmod=(("644", "/srv/a"),)), None) is None


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (FileEdit(remove=("/nothing",)), "/nothing: no such file or directory in the image"),
        (FileEdit(remove=("/",)), "the root of the image cannot be removed"),
        (FileEdit(remove=("srv",)), "not an absolute path"),
        (FileEdit(add=(("/nowhere/x", "/x"),)), "/nowhere/x: no such file or directory"),
        (FileEdit(add=(("/dev/null", "/x"),)), "a device cannot be added"),
        (FileEdit(add=((__file__, "/srv/a/b"),)), "not a directory"),
        (FileEdit(add=((os.path.dirname(__file__), "/srv/a"),)), "not a directory|cannot copy"),
        (FileEdit(unpack=(("/nowhere.tar", "/x"),)), "/nowhere.tar: no such file"),
        (FileEdit(chmod=(("999", "/srv"),)), "invalid chmod parameter"),
        (FileEdit(chown=(("nobody", "/srv"),)), "unknown user 'nobody'"),
        (FileEdit(chmod=(("600", "/srv/none"),)), "no such file"),
    ],
)
def test_what_cannot_be_done_is_told(store: Layers, edit: FileEdit, message: str) -> None:
    with pytest.raises((InvalidInput, NotFound), match=message):
        file_layer(store, below(store), edit, None)


# --- the config -------------------------------------------------------------------------------


def test_each_setting() -> None:
    edit = ConfigEdit(
        env=("A=2", "B=x y=z"),
        unset_env=("PATH", "NEVER"),
        labels=("b=2",),
        unset_labels=("a",),
        user="1:2",
        workdir="/srv",
        entrypoint='["/bin/run"]',
        cmd="echo hi",
        expose=("53/udp",),
        unset_expose=("80",),
        volumes=("/more",),
        unset_volumes=("/data",),
        stop_signal="SIGINT",
        healthcheck="--interval=5s CMD true",
    )
    assert edit_config(BASE, edit).config == ContainerConfig(
        env=("A=2", "B=x y=z"),
        labels={"b": "2"},
        user="1:2",
        working_dir="/srv",
        entrypoint=("/bin/run",),
        cmd=("/bin/sh", "-c", "echo hi"),
        exposed_ports=("53/udp",),
        volumes=("/more",),
        stop_signal="SIGINT",
        args_escaped=True,
        healthcheck=Healthcheck(("CMD-SHELL", "true"), 5_000_000_000),
    )
    assert words(edit)[:4] == ["--env=A=2", "--env=B=x y=z", "--unset-env=PATH", "--unset-env=NEVER"]
    assert "--label=b=2" in words(edit) and "--unset-label=a" in words(edit)


def test_an_empty_value_takes_it_away() -> None:
    config = edit_config(BASE, ConfigEdit(user="", cmd="", healthcheck="", workdir="", stop_signal="")).config
    assert (config.user, config.cmd, config.healthcheck) == ("", (), None)
    assert edit_config(BASE, ConfigEdit(entrypoint='["x"]')).config.cmd == (), "as in a Dockerfile"
    assert edit_config(BASE, ConfigEdit(entrypoint='["x"]', cmd='["y"]')).config.cmd == ("y",)


@pytest.mark.parametrize(
    "edit",
    [
        ConfigEdit(env=("A",)),
        ConfigEdit(env=("=x",)),
        ConfigEdit(labels=("x",)),
        ConfigEdit(expose=("x",)),
        ConfigEdit(stop_signal="a\nUSER root"),
        ConfigEdit(volumes=("",)),
        ConfigEdit(healthcheck="--oops CMD x"),
    ],
    ids=str,
)
def test_bad_settings_are_refused(edit: ConfigEdit) -> None:
    with pytest.raises(InvalidInput, match="invalid"):
        edit_config(BASE, edit)


def test_history_says_what_was_done(store: Layers) -> None:
    diffs = below(store)
    parts = Parts(BASE, (Line(History(MOMENT, "step 1"), diffs[0]),))
    subject = Subject(IMAGE, "app", Platform("linux", "amd64"), parts, MOMENT)
    config, files = ConfigEdit(env=("B=x y",)), FileEdit(remove=("/srv/a",))
    one, two = (editing(config, files, 5)(store, subject) for _ in range(2))
    assert one == two, "the same input makes the same image"
    assert put_together(store, one, MOMENT).image_id == put_together(store, two, MOMENT).image_id
    line = one.lines[-1].history
    assert (line.created_by, line.comment) == ("lamina edit '--env=B=x y' --rm=/srv/a", f"from {IMAGE}")
    assert one.lines[:1] == parts.lines
    config_only = editing(config, FileEdit(), None)(store, subject)
    assert config_only.diff_ids == parts.diff_ids
    with pytest.raises(InvalidInput, match="nothing would change"):
        edited(parts, ConfigEdit(), IMAGE, MOMENT, "lamina edit", None)


# --- append -----------------------------------------------------------------------------------


def archive(path: Path, **files: bytes) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.replace("__", "/"))
            info.size = len(data)
            info.type = tarfile.DIRTYPE if info.name.endswith("/") else tarfile.REGTYPE
            tar.addfile(info, io.BytesIO(data))
    return path


def appended(ctx: Layers, source: Path, prefix: str = "") -> tuple[Parts, dict[str, Entry]]:
    parts = Parts(BASE, (Line(History(MOMENT, "step 1"), below(ctx)[0]),))
    subject = Subject(IMAGE, "app", Platform("linux", "amd64"), parts, MOMENT)
    made = appending(str(source), prefix, None)(ctx, subject)
    return made, {os.fsdecode(entry.path): entry for entry in seen(ctx, made.diff_ids)}


def test_an_archive_is_a_layer_as_it_is(store: Layers, tmp_path: Path) -> None:
    parts, tree = appended(
        store, archive(tmp_path / "x.tgz", srv__new=b"new", srv__ā=b"", **{"srv/.wh.a": b""})
    )
    assert "srv/new" in tree and "srv/a" not in tree
    data = gzip.decompress((tmp_path / "x.tgz").read_bytes())
    assert parts.diff_ids[-1] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert parts.lines[-1].history.created_by == f"lamina append {tmp_path}/x.tgz"


def test_a_folder_does_not_replace_a_link(store: Layers, tmp_path: Path) -> None:
    source = archive(tmp_path / "x.tgz", **{"bin/": b"", "bin/more": b"more"})
    with pytest.raises(
        Conflict, match="the folder /bin of the archive would replace a link to usr/bin"
    ) as caught:
        appended(store, source)
    assert caught.value.hint is not None and "--prefix=/" in caught.value.hint
    _, tree = appended(store, source, "/")
    assert tree["bin"].kind is Kind.SYMLINK and tree["usr/bin/more"].size == 4


def test_prefix_and_folders(store: Layers, tmp_path: Path) -> None:
    source = archive(tmp_path / "x.tgz", one=b"1")
    assert "opt/x/one" in appended(store, source, "/opt/x")[1]
    (tmp_path / "f").mkdir()
    (tmp_path / "f/two").write_text("2")
    assert "two" in appended(store, tmp_path / "f")[1]
    assert "usr/bin/two" in appended(store, tmp_path / "f", "/bin")[1]


def test_what_is_no_archive_is_refused(store: Layers, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no tar" * 500)
    with pytest.raises(InvalidInput, match="text cannot be read as a tar"):
        appended(store, tmp_path / "text")
    with pytest.raises(NotFound):
        appended(store, tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="holds nothing"):
        appended(store, tmp_path / "empty")

"""lamina rebase, drop, reorder and cherry-pick as a user runs them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from lamina.cli import surgery_flags
from lamina.cli.flags import Args, Flag
from lamina.events import Notice
from tests.e2e.conftest import new_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina

FILES = {
    "old": "FROM scratch\nCOPY tool /bin/tool\nENV PATH=/bin V=1\nLABEL vendor=us\n",
    "new": "FROM scratch\nCOPY tool2 /bin/tool\nENV PATH=/bin:/sbin V=2\nLABEL vendor=them\n",
    "less": "FROM scratch\nCOPY tool2 /bin/other\n",
    "app": 'FROM old\nENV PATH=/app:$PATH V=9\nCOPY a /app/a\nCOPY b /app/b\nCOPY b /app/a\nCMD ["tool"]\n',
}


@pytest.fixture(scope="module")
def images() -> Iterator[Lamina]:
    """Lamina with two bases, one that lacks something, and an application."""
    with new_root("moved") as made:
        context = made.root.parent / "context"
        context.mkdir()
        for name in ("tool", "tool2", "a", "b"):
            (context / name).write_text(name)
            (context / name).chmod(0o755)
        for name, text in FILES.items():
            (context / f"{name}.Dockerfile").write_text(text)
            made("build", "-q", "-t", name, "-f", context / f"{name}.Dockerfile", context)
        yield made


def test_rebase(images: Lamina) -> None:
    old, new = (images.inspect(name)["Id"][7:19] for name in ("old", "new"))
    told = images("rebase", "app", "--onto", "new", "-t", "app:new").splitlines()
    assert told[:-2] == [
        f"Old base: old:latest, {old}, 1 layer, found by its layers",
        f"New base: new:latest, {new}, 1 layer; 3 layers of the image on it",
        "Config:",
        "  ENV PATH: /app:/bin:/sbin, with the new base; it was /bin",
        "  ENV V: 9 of the application stays; the old base has 1, the new one 2",
        "  LABEL vendor: them, with the new base; it was us",
        "Good to know:",
        "  what layers 2, 3, 4 read when built is as it was: a build would find the same",
    ]
    made = images.inspect("app:new")
    assert told[-2] == f"Made app:new: {made['Id'][7:19]}"
    assert re.fullmatch(r"4 layers, \d+B; before: 4 layers, \d+B", told[-1])
    assert made["Config"]["Env"] == ["PATH=/app:/bin:/sbin", "V=9"]
    quiet = images("rebase", "app", "--onto", "new", "-q", SOURCE_DATE_EPOCH="1700000000")
    assert images.inspect(quiet.strip())["Created"].startswith("2023-11-14T22:13:20")


def test_a_rebase_that_is_refused(images: Lamina, tmp_path: Path) -> None:
    out, err = images.both("rebase", "app", "--onto", "less", "-t", "no", status=1)
    assert out.splitlines()[-4:-2] == [
        "Breaks:",
        "  tool is what the image runs: it was /bin/tool, which is gone",
    ]
    assert err == (
        "lamina: 1 thing breaks on less:latest: nothing was made\n"
        "hint: --force makes the image all the same\n"
    )
    out, _ = images.both("rebase", "app", "--onto", "less", "--json", status=1)
    found = json.loads(out)
    assert found["made"] is None and found["images"][0]["findings"]["listed"][0]["weight"] == "breaks"
    assert json.loads(images("rebase", "app", "--onto", "less", "--dry-run", "--json", status=1)) == found
    assert "Made yes:latest" in images("rebase", "app", "--onto", "less", "-t", "yes", "--force")
    assert "the new base is missing" in images.both("rebase", "app", status=1)[1]


def test_drop_and_reorder(images: Lamina) -> None:
    layers = images.inspect("app")["RootFS"]["Layers"]
    _, err = images.both("drop", "app", "2", status=1)
    assert err.startswith("lamina: layer 4 rests on layer 2: both touch /app/a\n")
    assert images("drop", "app", "-t", "less2", "3", "-1").startswith("Made less2:latest: ")
    assert images.inspect("less2")["RootFS"]["Layers"] == layers[:2]
    same = [images("drop", "-q", *w, SOURCE_DATE_EPOCH="1") for w in (("app#3", "4"), ("app", "3..-1"))]
    assert same[0] == same[1]
    assert "which layer of app?" in images.both("drop", "app", status=1)[1]
    assert "which layers of app?" in images.both("reorder", "app#2", status=1)[1]
    (last, *_) = images(
        "history", "--no-trunc", "--format", "{{.CreatedBy}}|{{.Comment}}", "less2"
    ).splitlines()
    app = images.inspect("app")["Id"]
    assert last == f"lamina drop 3 4|from {app} without layer 3 ({layers[2]}), 4 ({layers[3]})"
    done = json.loads(images("reorder", "app", "3", "2", "-t", "turned", "--json"))
    assert images.inspect("turned")["RootFS"]["Layers"] == [layers[0], layers[2], layers[1], layers[3]]
    assert done["names"] == ["turned:latest"] and done["images"] == [[app, done["image_id"]]]
    _, err = images.both("reorder", "app", "4", "2", status=1)
    assert "layer 4 rests on layer 2: both touch /app/a" in err and "nothing in common" in err


def test_cherry_pick(images: Lamina) -> None:
    told = images("cherry-pick", "app#3", "--onto", "new", "-t", "picked")
    assert told.startswith("Made picked:latest: ")
    assert images.inspect("picked")["RootFS"]["Layers"][-1] == images.inspect("app")["RootFS"]["Layers"][2]
    told = images("cherry-pick", "old#1", "--onto", "new", "-t", "picked")
    assert told.startswith("Could break:\n  /bin/tool hides what is new there below\nMade picked")
    assert "is missing" in images.both("cherry-pick", "app#3", status=1)[1]


def test_what_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Not what a pull or push says of its layers: that is not said at all where only IDs are wanted."""
    args = Args("rebase")
    for quiet in ("false", "true"):
        args.add(Flag("quiet", "q", "", ""), quiet)
        tell = surgery_flags.observer(args)
        for text in ("0c494d5cfa86: Pushed", "Digest: sha256:1", "left out: \x1b[31m"):
            tell(Notice(text))
    assert capsys.readouterr().err.splitlines() == [
        "0c494d5cfa86: Pushed", "Digest: sha256:1", *["[Warning] left out: \\x1b[31m"] * 2,
    ]  # fmt: skip

"""ls, find, cat, grep, tree, bisect and edit on real images: against a walk of their archives, and GNU's."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

from tests.insight.oracle import only

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina
    from tests.e2e.real_images import Real
    from tests.insight.oracle import Entry, State

TYPES = {"file": "f", "dir": "d", "link": "l", "char": "c", "block": "b", "fifo": "p"}


def found(lamina: Lamina, *words: str) -> dict[bytes, dict[str, Any]]:
    return {os.fsencode(each["path"])[1:]: each for each in json.loads(lamina("find", "--json", *words))}


def test_find_finds_each_path_of_each_state(real: Real) -> None:
    states = real.image.states()
    for number in {1, len(states) // 2 or 1, len(states)}:
        _check(found(real.lamina, "--layer", str(number), real.name), states[number - 1], real, number)


def _check(files: dict[bytes, dict[str, Any]], state: State, real: Real, number: int) -> None:
    assert files.keys() - {b""} == state.keys() - {b""}
    for path, entry in state.items():
        if path and not entry.implied:
            assert _facts(files[path]) == _expected(entry), path
            if number == len(real.image.layers):
                assert files[path]["layer"] == real.image.owner(path) + 1, path


def _facts(file: dict[str, Any]) -> tuple[object, ...]:
    xattrs = [[os.fsencode(text) for text in pair] for pair in file["xattrs"]]
    mode = file["mode"] if file["type"] != "l" else 0
    words = (file["type"], mode, file["uid"], file["gid"], file["size"], file["mtime"] // 10**9)
    return (*words, os.fsencode(file["target"]), file["digest"], xattrs)


def _expected(entry: Entry) -> tuple[object, ...]:
    mode = entry.mode if entry.type != "link" else 0
    words = (TYPES[entry.type], mode, entry.uid, entry.gid, entry.size, entry.mtime)
    return (*words, entry.link, entry.sha256, [list(pair) for pair in sorted(entry.xattrs)])


def test_tree_sums_up(real: Real) -> None:
    lines = json.loads(real.lamina("tree", "--json", "-L", "1", real.name))
    files = [entry for path, entry in real.image.state.items() if path]
    assert (lines[0]["size"], lines[0]["files"]) == (sum(entry.size for entry in files), len(files))
    tops = sorted(path for path in real.image.state if path and b"/" not in path)
    assert [os.fsencode(line["file"]["path"])[1:] for line in lines[1:]] == tops


def test_cat_and_grep(real: Real) -> None:
    state = real.image.state
    some = sorted(path for path, entry in state.items() if entry.type == "file")[:: max(len(state) // 5, 1)]
    for path in some:
        done = subprocess.run(
            [sys.executable, "-m", "lamina", "cat", os.fsencode(f"{real.name}:/") + path],
            env=real.lamina.environ,
            capture_output=True,
            check=True,
        )
        assert hashlib.sha256(done.stdout).hexdigest() == state[path].sha256
    names = json.loads(real.lamina("grep", "-l", "--json", "-a", "", real.name))
    expected = {path for path, entry in state.items() if entry.type == "file" and entry.size}
    assert {os.fsencode(each["path"])[1:] for each in names} == expected


def test_bisect_finds_the_layer_that_brought_a_file(real: Real) -> None:
    """With any program of the lowest layer that can tell."""
    if b"bin/busybox" not in real.image.layers[0].entries and b"bin" not in real.image.layers[0].entries:
        return
    layers = real.image.layers
    new = next((path for path in layers[-1].entries if real.image.owner(path) == len(layers) - 1), None)
    if new is None or len(layers) < 2 or any(path == new for path in real.image.states()[-2]):
        return
    answer = json.loads(
        real.lamina("bisect", "--json", "-q", "--term=works", real.name, "test", "-e", "/" + os.fsdecode(new))
    )
    assert [layer["number"] for layer in answer["layers"]] == [len(layers)]
    assert len(answer["tries"]) <= 2 + len(layers).bit_length()


def test_edit_changes_just_what_it_says(real: Real, tmp_path: Path) -> None:
    before = real.image.state
    gone = sorted(path for path, entry in before.items() if entry.type == "file")[0]
    edited = "edited-" + "".join(letter for letter in real.name if letter.isalnum())
    real.lamina("edit", real.name, f"--rm=/{os.fsdecode(gone)}", "--env=EDITED=1", "-t", edited)
    try:
        real.lamina("save", "-o", tmp_path / "edited.tar", edited)
        image = only(tmp_path / "edited.tar")
    finally:
        real.lamina("rmi", edited)
    kept = {path: entry for path, entry in before.items() if path != gone}
    assert {path: entry._replace(implied=False) for path, entry in image.state.items() if path} == {
        path: entry._replace(implied=False) for path, entry in kept.items() if path
    }
    assert "EDITED=1" in image.config["config"]["Env"]
    assert image.layers[:-1] == real.image.layers

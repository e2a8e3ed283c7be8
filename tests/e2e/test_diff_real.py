"""`lamina diff` of real images gives what an independent walk of their archives gives."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import NO_BASES, make_base
from tests.insight.test_diff import said

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.lamina_command import Lamina
    from tests.e2e.real_images import Real
    from tests.insight import oracle

STATES = 6  # of the layers at the top


def test_each_layer_and_some_of_them_together(real: Real) -> None:
    count = len(real.image.layers)
    states = [{}, *real.image.states()]
    first = max(1, count - STATES)
    pairs = [(number - 1, number) for number in range(first, count + 1)] + [(first, count), (count, first)]
    for low, high in dict.fromkeys(pairs):
        names = [f"{real.name}#{high}"] if low == high - 1 else [f"{real.name}#{low}", f"{real.name}#{high}"]
        diff = json.loads(real.lamina("diff", "--times", "--json", *names))
        found = {os.fsencode(each["path"])[1:]: (each["kind"], *each["what"]) for each in diff["files"]}
        found.pop(b"", None)  # the root: not all layers have it
        assert found == said(states[low], states[high]), names


def test_against_the_base(real: Real) -> None:
    """The base of an image that was loaded is found by its layers, where the store has it."""
    diff = json.loads(real.lamina("diff", "--json", real.name))
    states = [{}, *real.image.states()]
    below = diff["old"]["layers"]
    assert (below > 0) == (real.kind != "buildah-apt"), "buildah's has a base of its own, which is not here"
    wanted = said(states[below], real.image.state)
    assert {os.fsencode(each["path"])[1:] for each in diff["files"]} - {b""} == {
        path for path, (_, *what) in wanted.items() if what != ["time"]
    }
    assert diff["totals"]["added"] == sum(1 for kind, *_ in wanted.values() if kind == "A")
    _check_packages(real, diff, states[below])


def _check_packages(real: Real, diff: dict[str, object], below: oracle.State) -> None:
    """What apt brought and took: `tree` was purged again."""
    names = {(each["kind"], each["name"]) for each in diff["packages"]}  # type: ignore[index,attr-defined]
    if real.kind == "flask":
        assert ("A", "flask") in {(kind, name.lower()) for kind, name in names}
    elif real.kind == "docker-apt":
        assert below and names == set()


OFTEN = """FROM debian
{arg}
RUN {run}
"""
RUN = (
    "useradd me; ldconfig; date >> /var/log/made.log; cd /srv; echo 'x = 1' > m.py; "
    "python3 -m compileall -q .; gzip {gzip}k m.py{more}"
)


@pytest.mark.peers
@pytest.mark.skipif(bool(NO_BASES), reason=NO_BASES or "-")
def test_whoever_follows_the_advice_gets_equal_images(bases: Lamina, tmp_path: Path) -> None:
    """Each thing that is said to make two builds equal is done, and then they are."""
    make_base(bases, "debian")
    first = RUN.format(gzip="-", more="")
    found = _built_twice(bases, tmp_path, OFTEN.format(arg="", run=first))
    advice = {cause["path"]: cause["advice"] for cause in found["causes"]}
    assert "rm -rf /var/log/*" in advice["/var/log/made.log"]
    assert "rm /var/cache/ldconfig/aux-cache" in advice["/var/cache/ldconfig/aux-cache"]
    assert "gzip -n" in advice["/srv/m.py.gz"]
    assert "ARG SOURCE_DATE_EPOCH" in advice["/srv/__pycache__/m.cpython-311.pyc"]
    assert any("SOURCE_DATE_EPOCH" in cause["advice"] for cause in found["causes"] if cause["what"] == "time")
    more = "; rm -rf /var/log/* /var/cache/ldconfig/aux-cache"
    second = RUN.format(gzip="-n", more=more)
    text = OFTEN.format(arg="ARG SOURCE_DATE_EPOCH", run=second)
    found = _built_twice(bases, tmp_path, text, SOURCE_DATE_EPOCH="1700000000")
    assert found["old"]["image_id"] == found["new"]["image_id"]
    assert not found["is_different"]


def _built_twice(bases: Lamina, folder: Path, dockerfile: str, **environ: str) -> dict[str, Any]:
    (folder / "Dockerfile").write_text(dockerfile)
    for number in (1, 2):
        bases("build", "-q", "--no-cache", "-t", f"twice:{number}", folder, **environ)
        time.sleep(1.1)  # the clocks in files count seconds
    found = json.loads(bases("diff", "--json", "twice:1", "twice:2"))
    assert isinstance(found, dict)
    return found

"""The Flask example on a Debian with one patched package, and on one that lost the library of its Python."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import make_base
from tests.e2e.lamina_command import REPOSITORY, Lamina
from tests.e2e.test_examples import BOOTSTRAP, answer

PATCHED = """FROM debian
RUN set -e; at=/tmp/p; mkdir -p $at/DEBIAN; \\
    dpkg -s libexpat1 | grep -v ^Status: | sed 's/^Version: .*/&+patched1/' > $at/DEBIAN/control; \\
    for f in $(dpkg -L libexpat1); do \\
        if [ -f $f ]; then mkdir -p $at$(dirname $f); cp -a $f $at$f; fi; done; \\
    find $at -type f -name 'libexpat.so.1.*' -exec sh -c 'printf patched >> $1' - {} \\; ; \\
    dpkg-deb -b $at /tmp/p.deb; dpkg -i /tmp/p.deb; rm -rf $at /tmp/p.deb
ENV PATCHED=1
"""
BROKEN = """FROM debian
RUN dpkg --purge --force-depends libpython3.11-stdlib libpython3.11-minimal
"""
VERSION = "dpkg-query -W -f '${Version}' libexpat1"


def layers(lamina: Lamina, name: str) -> list[str]:
    found = lamina.inspect(name)["RootFS"]["Layers"]
    assert isinstance(found, list)
    return found


@BOOTSTRAP
def test_flask_on_another_base(bases: Lamina, tmp_path: Path) -> None:
    make_base(bases, "debian")
    bases.build("-t", "flask", REPOSITORY / "examples/flask")
    for name, text in (("patched", PATCHED), ("broken", BROKEN)):
        (tmp_path / name).write_text(text)
        bases.build("-t", f"debian:{name}", "-f", tmp_path / name, tmp_path)

    told = bases("rebase", "flask", "--onto", "debian:patched", "-t", "flask:patched")
    assert "  libexpat1 " in told and "+patched1\n" in told
    assert "Old base: debian:latest" in told and "found by its layers" in told and "reaks" not in told
    assert "what layers 3, 4, 6 read when built is as it was" in told
    base = layers(bases, "debian:patched")
    assert layers(bases, "flask:patched") == base + layers(bases, "flask")[1:]
    assert answer(bases, "flask:patched") == "Hello from Flask in a stack of layers\n"
    run = ("run", "--rm", "flask:patched", "sh", "-c")
    assert bases(*run, VERSION).endswith("+patched1") and bases(*run, "echo $PATCHED $PORT") == "1 8000\n"
    assert not bases("run", "--rm", "flask", "sh", "-c", VERSION).endswith("+patched1")

    out, err = bases.both("rebase", "flask", "--onto", "debian:broken", "-t", "flask:broken", status=1)
    assert "is installed for Python 3.11, which is gone (there is none now), as are " in out
    assert "breaks on debian:broken: nothing was made" in err and "--force" in err
    assert "flask:broken" not in bases("images", "--format", "{{.Repository}}:{{.Tag}}")
    told = bases("rebase", "flask", "--onto", "debian:broken", "--dry-run", "--json", status=1)
    (image,) = json.loads(told)["images"]
    assert image["findings"]["breaks"] and image["findings"]["listed"][0]["kind"] == "python"

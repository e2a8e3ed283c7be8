"""Real images to ask questions of: the examples, Debian with 20 layers, docker's and buildah's with apt.

Each is a store with the image, its name, and what the oracle reads from its archive (fixture `real`).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from lamina.testing.docker_engine import docker_engine, missing
from tests.e2e.conftest import make_base
from tests.e2e.lamina_command import REPOSITORY, Lamina
from tests.insight import oracle
from tests.machine import quick_place

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = {"static": "busybox", "flask": "debian", "node": "node"}


class Real(NamedTuple):
    """One image."""

    kind: str
    lamina: Lamina
    name: str
    image: oracle.Image


TWENTY = r"""FROM debian
RUN mkdir -p /srv/app/data && seq 1000 > /srv/app/data/numbers
COPY one two /srv/app/
RUN chmod 600 /srv/app/one && chmod -R g+w /srv/app/data
RUN chown -R 1000:1001 /srv/app
RUN rm -rf /usr/share/zoneinfo/America /usr/share/perl5
RUN touch -d 2001-02-03 /srv/app/two
RUN cp -a /usr/lib/python3.11/json /srv/app/json
RUN echo "# end" >> /srv/app/json/decoder.py && rm /srv/app/json/tool.py
RUN rm -rf /srv/app/data && mkdir /srv/app/data && echo new > /srv/app/data/only
RUN ln -s /srv/app /app && ln /srv/app/one /srv/app/first
RUN mv /srv/app/json /srv/app/json2
RUN rm /usr/bin/mawk && printf '#!/bin/sh\n' > /usr/bin/mawk && chmod 4755 /usr/bin/mawk
RUN rm -r /usr/share/pam && echo "was a folder" > /usr/share/pam
RUN rm /etc/motd && mkdir /etc/motd && echo x > /etc/motd/x
RUN touch "$(printf '/srv/\377\376')" "$(printf '/srv/\033[31mred')" "/srv/a b"
RUN echo more >> /etc/passwd && useradd -m somebody
RUN dd if=/dev/zero of=/srv/big bs=1M count=3 2>/dev/null
RUN rm /srv/big && cp /bin/bash /srv/bash && cp /bin/bash /srv/bash2
RUN python3 -m compileall -q /usr/lib/python3.11/email
WORKDIR /srv/app/deep/er
CMD ["bash"]
"""
APT = """FROM {base}
{add}RUN apt-get update && apt-get install -y --no-install-recommends tree
RUN rm -rf /var/lib/apt/lists/* && chmod 700 /usr/bin/tree
COPY one /srv/one
RUN apt-get purge -y tree && echo 1 >> /srv/one
"""


def make(kind: str, bases: Lamina) -> Real:
    """Builds or loads one of them."""
    with tempfile.TemporaryDirectory(dir=quick_place()) as folder:
        place = Path(folder)
        if kind in EXAMPLES:
            make_base(bases, EXAMPLES[kind])
            bases.build("-t", kind, REPOSITORY / "examples" / kind)
        else:
            (place / "one").write_text("1\n")
            (place / "two").write_text("2\n")
            _MAKERS[kind](bases, place)
        bases("save", "-o", place / "image.tar", kind)
        return Real(kind, bases, kind, oracle.only(place / "image.tar"))


def _twenty(bases: Lamina, place: Path) -> None:
    make_base(bases, "debian")
    (place / "Dockerfile").write_text(TWENTY)
    bases.build("-t", "debian-20", place)


def _docker_apt(bases: Lamina, place: Path) -> None:
    if why := missing():
        pytest.skip(why)
    make_base(bases, "debian")
    bases("save", "-o", place / "debian.tar", "debian")
    (place / "Dockerfile").write_text(APT.format(base="debian", add=""))
    (place / ".dockerignore").write_text("*.tar\n")
    with docker_engine(tempfile.mkdtemp(dir=quick_place())) as docker:
        docker("load", "-i", str(place / "debian.tar"))
        docker("build", "--network", "host", "-t", "docker-apt", str(place))
        docker("save", "-o", str(place / "docker.tar"), "docker-apt")
    bases("load", "-i", place / "docker.tar")


def _buildah_apt(bases: Lamina, place: Path) -> None:
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        pytest.skip("needs root and buildah")
    make_base(bases, "debian")
    shutil.copy(REPOSITORY / ".cache/bases/debian.tar", place)
    (place / "Dockerfile").write_text(APT.format(base="scratch", add="ADD debian.tar /\n"))
    storage: list[str | Path] = [
        "--root",
        place / "root",
        "--runroot",
        place / "run",
        "--storage-driver",
        "overlay",
    ]
    _run("buildah", *storage, "bud", "--isolation", "chroot", "--network", "host", "--layers",
         "-t", "buildah-apt", place)  # fmt: skip
    _run("buildah", *storage, "push", "buildah-apt", f"docker-archive:{place}/buildah.tar:buildah-apt")
    bases("load", "-i", place / "buildah.tar")
    _run("buildah", *storage, "rmi", "-a", "-f")


_MAKERS: dict[str, Callable[[Lamina, Path], None]] = {
    "debian-20": _twenty,
    "docker-apt": _docker_apt,
    "buildah-apt": _buildah_apt,
}


def _run(*args: str | Path) -> None:
    done = subprocess.run(list(map(str, args)), capture_output=True, timeout=600, check=False)
    assert done.returncode == 0, f"{args}: {done.stderr.decode(errors='replace')}"

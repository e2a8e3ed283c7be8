"""Roots, bases and machines' leftovers for the tests that run the whole of Lamina."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.mount import userns
from lamina.store.files import remove_tree
from tests.e2e.lamina_command import REPOSITORY, Lamina
from tests.machine import THOROUGH, has_sub_ids, quick_place

if TYPE_CHECKING:
    from tests.e2e.real_images import Real


def _no_bases() -> str:
    """Why the large bases cannot be made here and now; "" when they can. They take minutes."""
    if not THOROUGH:
        return "./test --peers runs it"
    if shutil.which("mmdebstrap") is None or not has_sub_ids():
        return "bootstrapping a Debian base needs mmdebstrap, and root or sub-IDs"
    return ""


NO_BASES = _no_bases()
_LARGE = [pytest.mark.peers, pytest.mark.skipif(bool(NO_BASES), reason=NO_BASES or "-")]
REAL_IMAGES = [
    "static",
    *(
        pytest.param(kind, marks=_LARGE)
        for kind in ("flask", "node", "debian-20", "docker-apt", "buildah-apt")
    ),
]


@contextmanager
def new_root(kind: str) -> Iterator[Lamina]:
    """Lamina on a new, empty root, which is gone afterwards, also when a base cannot be made on it."""
    folder = tempfile.mkdtemp(prefix=f"lamina-{kind}-", dir=quick_place())
    try:
        yield Lamina(Path(folder) / "root")
    finally:
        remove(folder)


@pytest.fixture
def lamina() -> Iterator[Lamina]:
    """Lamina on a new, empty root, which is gone after the test."""
    with new_root("test") as made:
        yield made


@pytest.fixture(scope="session")
def bases() -> Iterator[Lamina]:
    """Lamina on a root that all tests of a session share, for bases that take long to make."""
    with new_root("bases") as made:
        yield made


@pytest.fixture
def busybox(lamina: Lamina) -> Lamina:
    """Lamina with the image `busybox`."""
    make_base(lamina, "busybox")
    return lamina


@pytest.fixture(scope="session")
def steady() -> Iterator[Lamina]:
    """Lamina with the image `busybox`, for tests that leave the store as it was, or nearly so."""
    with new_root("steady") as made:
        make_base(made, "busybox")
        yield made


def make_base(lamina: Lamina, name: str) -> None:
    """Makes one of the bases of the examples, by their own script."""
    done = subprocess.run(
        [str(REPOSITORY / "examples/bases/build"), name],
        env=lamina.environ | {"LAMINA": " ".join(lamina.argv)},
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def remove(folder: str) -> None:
    """Deletes a root; what belongs to sub-IDs can be deleted from inside the user namespace only."""
    child = os.fork()
    if child == 0:
        try:
            userns.enter()
            remove_tree(folder)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert not os.path.exists(folder)


@pytest.fixture(scope="session", params=REAL_IMAGES)
def real(request: pytest.FixtureRequest, bases: Lamina) -> Real:
    """A store with a real image, and what the oracle says of it; the large ones where peers are tested."""
    from tests.e2e.real_images import make  # which has its bases from here

    return make(request.param, bases)

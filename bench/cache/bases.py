"""The bases of the projects: those of the examples, and the same with a few files patched."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Collection, Iterable, Mapping

from bench.builders import Builder

CACHE = os.path.join(os.path.dirname(__file__), "..", "..", ".cache", "bases")
BUILD = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "bases", "build")
PATH = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

Patch = Mapping[str, Callable[[bytes], bytes]]  # by path; what becomes of the content


def _more(content: bytes) -> bytes:
    return content + b"\n# patched\n"


def _newer_bash(status: bytes) -> bytes:
    """dpkg's status after an update of bash."""
    before, package, after = status.partition(b"\nPackage: bash\n")
    assert package, "the base has no bash"
    return before + package + after.replace(b"\nVersion: 5", b"\nVersion: 5.0-patched-5", 1)


# Name of the patched base: the base, and its files that are others.
PATCHED: dict[str, tuple[str, Patch]] = {
    "debian-zone": ("debian", {"usr/share/zoneinfo/Europe/Berlin": _more}),
    "debian-pip": ("debian", {"usr/lib/python3/dist-packages/pip/__init__.py": _more}),
    "debian-bash": ("debian", {"usr/bin/bash": _more, "var/lib/dpkg/status": _newer_bash}),
    "node-zone": ("node", {"usr/share/zoneinfo/Europe/Berlin": _more}),
}


def make(ours: Builder, bases: Collection[str], folder: str) -> list[str]:
    """The names of these bases and of the patched ones, which Lamina has in its store afterwards."""
    names = sorted(set(bases))
    environ = dict(ours.environ) | {"LAMINA": ours.build[0]}
    subprocess.run([BUILD, *names], env=environ, check=True)
    for name, (base, patch) in PATCHED.items():
        if base not in bases:
            continue
        root = os.path.join(folder, f"{name}-root.tar")
        patch_tar(os.path.join(environ.get("CACHE", CACHE), f"{base}.tar"), root, patch)
        words = [ours.build[0], "import", "-c", 'CMD ["bash"]', "-c", PATH, root, name]
        subprocess.run(words, env=environ, check=True, stdout=subprocess.DEVNULL)
        os.unlink(root)
        names.append(name)
    return names


def give(ours: Builder, names: Iterable[str], others: Iterable[Builder], folder: str) -> None:
    """Loads the bases that Lamina has into the stores of the other builders."""
    archive = os.path.join(folder, "base.tar")
    for name in names:
        subprocess.run([ours.build[0], "save", "-o", archive, name], env=dict(ours.environ), check=True)
        for builder in others:
            builder.load_image(archive)
        os.unlink(archive)


def patch_tar(source: str, target: str, patch: Patch) -> None:
    """Copies the root file system `source` to `target` with the content of some files changed."""
    left = set(patch)
    with tarfile.open(source, "r|") as before, tarfile.open(target, "w|", format=tarfile.PAX_FORMAT) as after:
        for member in before:
            content = before.extractfile(member) if member.isfile() else None
            path = member.name.removeprefix("./")
            if content is not None and path in patch:
                left.discard(path)
                changed = patch[path](content.read())
                member.size = len(changed)
                content = io.BytesIO(changed)  # type: ignore[assignment]
            after.addfile(member, content)
    if left:
        raise RuntimeError(f"{source} has no {', '.join(sorted(left))}")

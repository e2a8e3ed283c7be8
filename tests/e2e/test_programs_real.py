"""Packages of real images as their own programs list them; and bisect finds each layer known to be bad."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

from lamina import Engine

if TYPE_CHECKING:
    from tests.e2e.real_images import Real

MADE = {
    b"etc/hosts",
    b"etc/resolv.conf",
    b"etc/hostname",
    b"etc/mtab",
    b"dev",
    b"proc",
    b"sys",
}  # for each run
DPKG = r"dpkg-query -W -f '${db:Status-Status} ${Package} ${Version} ${Architecture}\n'"
PYTHON = (
    "python3 -c 'import importlib.metadata as m; "
    '[print(each.metadata["Name"], each.version) for each in m.distributions()]\''
)


def inside(real: Real, script: str) -> list[str]:
    """The lines that a shell script prints that is run in the image; none where there is no such program."""
    program = script.partition(" ")[0]
    if not any(f"{folder}/{program}".encode() in real.image.state for folder in ("usr/bin", "usr/local/bin")):
        return []
    return real.lamina("run", "--rm", "--user=0", "--entrypoint=sh", real.name, "-c", script).splitlines()


def test_packages(real: Real) -> None:
    """dpkg-query and the metadata of Python and Node list what the bill does, and who finds it."""
    debian = {tuple(line.split()[1:]) for line in inside(real, DPKG) if line.startswith("installed ")}
    python = {tuple(line.split()) for line in inside(real, PYTHON)}
    nodes = _nodes(real)
    with Engine.open(str(real.lamina.root)) as engine:
        bill = engine.sbom(real.name).packages
        found = {kind: {each for each in bill if each.kind == kind} for kind in ("deb", "pypi", "npm")}
        assert {(each.name, each.version, each.architecture) for each in found["deb"]} == debian
        assert {(each.name, each.version) for each in found["pypi"]} <= python
        assert {(each.name, each.version) for each in found["npm"]} == nodes
        for name, version, *_ in sorted(debian | python | nodes):
            answer = engine.who(f"{name}@{version}", "package")
            held = [each for each in answer.images if each.image_id == real.image.config_digest]
            assert held and any(each.state == "visible" for each in held[0].seen), name


def _nodes(real: Real) -> set[tuple[str, ...]]:
    paths = [
        os.fsdecode(path)
        for path in real.image.state
        if (path.endswith(b"/package.json") and path.split(b"/")[-3 : -2] == [b"node_modules"])
        or (path.endswith(b"/package.json") and path.split(b"/")[-4 : -3] == [b"node_modules"]
        and path.split(b"/")[-3].startswith(b"@"))
    ]  # fmt: skip
    found: set[tuple[str, ...]] = set()
    for path in paths:
        document = json.loads(real.lamina("cat", f"{real.name}:/{path}"))
        found.add((document["name"], document["version"]))
    return found


def test_blame_names_the_package_that_dpkg_names(real: Real) -> None:
    owners: dict[str, set[str]] = {}
    for line in inside(real, "dpkg -S '/*'"):
        packages, _, path = line.partition(": /")
        if not packages.startswith("diversion by "):
            owners.setdefault(path, set()).update(name.partition(":")[0] for name in packages.split(", "))
    merged = {
        os.fsdecode(path)
        for path, entry in real.image.state.items()
        if entry.type == "link" and b"/" not in path
    }
    found = json.loads(real.lamina("blame", "--package", "--json", real.name, "/"))
    wrong, known = [], 0
    for item in found:
        path = item["path"].strip("/")
        wanted = owners.get(path, set())
        if path.startswith("usr/") and path.split("/")[1] in merged:  # dpkg knows it by its old place
            wanted = wanted | owners.get(path.removeprefix("usr/"), set())
        known += bool(wanted)
        said = {item["package"].rpartition("@")[0]} if item["manager"] == "deb" else set()
        if path not in merged and said != wanted and not (said and said < wanted):
            wrong.append((path, said, wanted))
    assert wrong[:9] == []
    assert known or not owners


def test_diff_tells_of_packages(real: Real) -> None:
    """Against the layer that first has them; apt's images got one and lost it again."""
    pairs = {"docker-apt": (1, 2, "A"), "buildah-apt": (1, 2, "A")}
    if real.kind not in pairs:
        return
    low, high, kind = pairs[real.kind]
    names = [f"{real.name}#{low}", f"{real.name}#{high}"]
    changes = json.loads(real.lamina("diff", "--json", *names))["packages"]
    assert [(each["kind"], each["name"]) for each in changes] == [(kind, "tree")]
    changes = json.loads(real.lamina("diff", "--json", *names[::-1]))["packages"]
    assert [(each["kind"], each["name"]) for each in changes] == [("D", "tree")]


def test_bisect_finds_each_bad_layer(real: Real) -> None:
    """A file that a layer brings for good, or takes for good, tells states apart."""
    layers, states = real.image.layers, real.image.states()
    first = next(
        number for number, state in enumerate(states) if b"bin/sh" in state or b"usr/bin/sh" in state
    )
    found = {}
    for number in range(len(layers) - 1, first, -1):
        for path in sorted(states[number - 1].keys() ^ states[number].keys()):
            there = [path in state for state in states]
            links = any(
                entry.type == "link" for name, entry in states[-1].items() if path.startswith(name + b"/")
            )
            if len(set(there[:number])) == 1 == len(set(there[number:])) and not links and path not in MADE:
                found[number] = (path, there[-1])
                break
    for number in list(found)[:: 1 + len(found) // 4]:
        path, there_at_the_top = found[number]
        kind = "-L" if real.image.events(path) and _is_link(real, path) else "-e"
        words = ["--term=works"] if there_at_the_top else []
        test = ["test", kind, "/" + os.fsdecode(path)]
        answer = json.loads(
            real.lamina(
                "bisect",
                "--json",
                "-q",
                "-u",
                "0",
                "-w",
                "/",
                f"--good={first + 1}",
                *words,
                real.name,
                *test,
            )
        )
        assert [layer["number"] for layer in answer["layers"]] == [number + 1], path
        assert len(answer["tries"]) <= 2 + len(layers).bit_length(), path


def _is_link(real: Real, path: bytes) -> bool:
    return any(path in layer.entries and layer.entries[path].type == "link" for layer in real.image.layers)

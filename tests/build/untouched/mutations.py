"""Random changes of a tree: of what files hold, of names, modes, owners, kinds, links, whole folders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.tree.entry import Kind
from tests.build.untouched.nodes import Change, Tree, changed, file, folder, link, script

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

_PASSWD = "root:x:0:0:root:/root:/bin/sh\nworker:x:1234:4321:w:/home/worker:/bin/sh\n{}"


def mutated(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    """One to three changes at once; `names` are paths that may come into being."""
    change: Change = {}
    for _ in range(rng.randint(1, 3)):
        now = changed(world, change)
        change |= rng.choice(_ALL)(now, names, rng)
    for path, node in (result := changed(world, change)).items():
        if node.kind is Kind.HARDLINK and (
            node.link not in result or result[node.link].kind is not Kind.FILE
        ):
            change[path] = None  # it goes with its file
    return _possible(world, change)


def touches_links(world: Tree, change: Change) -> bool:
    """Whether a change is about files with several names, which all lie in one layer."""
    linked = {
        name for path, node in world.items() if node.kind is Kind.HARDLINK for name in (path, node.link)
    }
    new = any(node is not None and node.kind is Kind.HARDLINK for node in change.values())
    return new or any(f"{name}/".startswith(f"{path}/") for path in change for name in linked)


def _possible(world: Tree, change: Change) -> Change:
    """Without what would lie below something that is no folder."""
    result = changed(world, change)
    return {path: node for path, node in change.items() if all(_is_folder(result, up) for up in _above(path))}


def _is_folder(tree: Tree, path: str) -> bool:
    """Whether there is a folder, or nothing is said of what is there."""
    return path not in tree or tree[path].kind is Kind.DIR


def _above(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _pick(world: Tree, rng: random.Random, *kinds: Kind) -> str:
    return rng.choice([path for path, node in sorted(world.items()) if not kinds or node.kind in kinds])


def _edit(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.FILE)
    node = world[path]
    return {path: node._replace(data=rng.choice([node.data + b"more\n", b"", node.data.swapcase()]))}


def _delete(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    return {_pick(world, rng): None}


def _delete_folder(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    return {_folder_of(world, rng): None}


def _add(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = rng.choice(names)
    if path == "etc/passwd":
        more, uid = rng.choice(["", "x:x:1:1::/:\n"]), rng.choice(["1234", "9"])
        return {path: file(_PASSWD.format(more).replace("1234", uid))}
    return {path: rng.choice([file("new\n"), script("echo new"), folder(), link("nowhere")])}


def _mode(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.FILE, Kind.DIR)
    return {path: world[path]._replace(mode=rng.choice([0o600, 0o644, 0o755, 0o000, 0o4755]))}


def _owner(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.FILE, Kind.DIR, Kind.SYMLINK)
    return {path: world[path]._replace(uid=rng.choice([0, 7, 1234]), gid=rng.choice([0, 7]))}


def _attribute(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.FILE, Kind.DIR)
    return {path: world[path]._replace(xattrs=((b"user.x", rng.choice([b"1", b"2"])),))}


def _kind(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.FILE, Kind.SYMLINK)
    return {path: rng.choice([folder(), link("/etc/app.conf"), file("other\n")])}


def _retarget(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    path = _pick(world, rng, Kind.SYMLINK)
    return {path: link(rng.choice(["src", "inc", "/data/src", "doc/../src", "cur/b.c", "latest"]))}


def _swap(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    """Two folders change their names."""
    one, other = _folder_of(world, rng), _folder_of(world, rng)
    if f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/"):
        return {}
    return {one: None, other: None, **_moved(world, one, other), **_moved(world, other, one)}


def _folder_to_link(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    """A folder moves away, and a link to it takes its place."""
    path = _folder_of(world, rng)
    return {path: link("/srv/away"), **_moved(world, path, "srv/away")}


def _touch(world: Tree, names: Sequence[str], rng: random.Random) -> Change:
    return {"srv/beside": file("1")}


def _folder_of(world: Tree, rng: random.Random) -> str:
    return rng.choice(sorted({path.rpartition("/")[0] for path in world if path.count("/") > 1}))


def _moved(world: Tree, old: str, new: str) -> Tree:
    def place(path: str) -> str:
        return new + path.removeprefix(old) if path.startswith(f"{old}/") else path

    found: Tree = {}
    for path, node in world.items():
        if path.startswith(f"{old}/"):
            found[place(path)] = node._replace(link=place(node.link)) if node.kind is Kind.HARDLINK else node
    return found


_ALL: list[Callable[[Tree, Sequence[str], random.Random], Change]] = [
    *(_edit, _delete, _delete_folder, _add, _add, _mode, _owner, _attribute),
    *(_kind, _retarget, _swap, _folder_to_link, _touch),
]  # fmt: skip

"""Which paths the instructions of a stage make, and which ones a command names: by their text alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile import Add, Copy, Run
from lamina.dockerfile.lint.shell import commands_of
from lamina.dockerfile.mounts import BadMount
from lamina.dockerfile.mounts import parse as parse_mount
from lamina.graph.lint.scan import expanded
from lamina.graph.state import join_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.graph.lint.scan import InScope, Scene, Scenes

_WILD = frozenset("*?[")
_OUTPUTS = {"curl": ("-o", "--output"), "wget": ("-O", "--output-document"), "unzip": ("-d",)}


class Made(NamedTuple):
    """A path that an instruction brings: a file, or a folder with what is in it.

    `source` is the path in the context that it is copied from; "" when it comes from a stage or an image.
    """

    path: str
    source: str | None  # None for what is surely a file

    def touches(self, path: str) -> bool:
        """Whether `path` is this path, in it, or a folder that it is in."""
        return path == self.path or is_below(self.path, path) or is_below(path, self.path)


def is_below(path: str, folder: str) -> bool:
    """Whether `path` lies in `folder`."""
    return path.startswith(folder.rstrip("/") + "/")


def made_before(scenes: Scenes, scene: Scene, position: int) -> list[Made]:
    """What earlier instructions of the stage, and of those it is built from, bring."""
    found: list[Made] = []
    for one in scenes.chain(scene.number):
        for at, instruction, scope in one.steps():
            if one.number == scene.number and at >= position:
                break
            if isinstance(instruction, Copy | Add):
                found += _copied(instruction, scope, scenes.dockerfile.escape)
            elif isinstance(instruction, Run):
                found += [Made(path, None) for path in _fetched(instruction, scope)]
    return found


def _copied(instruction: Copy | Add, scope: InScope, escape: str) -> Iterator[Made]:
    dest = expanded(instruction.dest, scope.env, escape)
    folder = join_path(scope.workdir, dest)
    is_elsewhere = isinstance(instruction, Copy) and instruction.from_ is not None
    parts: list[tuple[str, str | None]] = [(document.name, None) for document in instruction.heredocs]
    for text in instruction.sources:
        source = expanded(text, scope.env, escape).rstrip("/")
        parts.append((source.rpartition("/")[2], "" if is_elsewhere else source))
    if not dest.endswith("/") and dest not in ("", ".") and len(parts) == 1:
        yield Made(folder, parts[0][1])
        return
    for name, origin in parts:
        # The contents of a folder land beside each other; which of the sources are folders, nobody knows.
        is_many = name in ("", ".", "..") or bool(_WILD & set(name))
        yield Made(folder, "") if is_many else Made(join_path(folder, name), origin)


def _fetched(run: Run, scope: InScope) -> Iterator[str]:
    """What downloads of a RUN are called."""
    for command in commands_of(run):
        words = command.words
        for flag in _OUTPUTS.get(command.program, ()):
            for at, word in enumerate(words[:-1]):
                if word == flag:
                    yield path_of(words[at + 1], scope)
        if command.program == "git" and "clone" in words and len(command.operands) == 3:
            yield path_of(command.operands[2], scope)


def path_of(word: str, scope: InScope) -> str:
    """The absolute path that a word of a command names; the folder in question where it has wildcards."""
    text = expanded(word, scope.env, "\\")
    parts = text.split("/")
    wild = next((i for i, part in enumerate(parts) if _WILD & set(part)), len(parts))
    text = "/".join(parts[:wild]) or ("/" if text.startswith("/") else ".")
    return join_path(scope.workdir, "/root/" + text[2:] if text.startswith("~/") else text)


def mount_targets(run: Run, scope: InScope, escape: str) -> list[str]:
    """Where a RUN mounts something: what is below does not get into the layer."""
    targets: list[str] = []
    for text in run.mounts:
        try:
            mount = parse_mount(text, lambda value: expanded(value, scope.env, escape))
        except BadMount:
            continue  # the build says so
        if mount.target:
            targets.append(join_path(scope.workdir, mount.target))
    return targets

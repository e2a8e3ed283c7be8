"""From the ingredients of two keys to what people are told: each Change between them, most telling first.

What lies below a step (its parent) is not looked at here. Pure.
"""

from __future__ import annotations

import json
import posixpath
import re
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from lamina.graph.filefacts import RANKS, parse
from lamina.graph.filefacts import differences as facts_differ
from lamina.graph.ingredients import MOST_LISTED
from lamina.graph.key import PARENT
from lamina.graph.masking import is_secret, masked
from lamina.graph.reason import MASKED, Change

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    Pairs = Sequence[tuple[str, str]]


LONGEST = 4000  # characters of a value that are kept

# How people know what counts under these labels: kind of the Change, and name.
NAMES = {
    "instruction": ("text", "instruction"),
    "command": ("text", "command"),
    "script": ("text", "script"),
    "dest": ("text", "destination"),
    "path": ("text", "folder"),
    "link": ("text", "--link"),
    "chown": ("text", "--chown"),
    "chmod": ("text", "--chmod"),
    "unpack": ("text", "--unpack"),
    "checksum": ("text", "--checksum"),
    "shell": ("option", "SHELL"),
    "user": ("option", "USER"),
    "workdir": ("option", "WORKDIR"),
    "owner": ("option", "owner"),
    "network": ("option", "network"),
    "platform": ("option", "platform"),
    "security": ("option", "--security"),
    "shm size": ("option", "--shm-size"),
    "added hosts": ("option", "--add-host"),
    "host name": ("option", "BUILDKIT_SANDBOX_HOSTNAME"),
    "SOURCE_DATE_EPOCH": ("option", "SOURCE_DATE_EPOCH"),
    "source layers": ("option", "layers that it copies from"),
}
# The same for labels that have a name or number after these words.
PREFIXES = {
    "ARG ": "arg",
    "ENV ": "env",
    "ulimit ": "option",
    "exclude ": "text",
    "document ": "text",
    "source ": "file",
    "mount ": "text",
    "file ": "file",
}
_HEX = re.compile(r"[0-9a-f]{64}")
_MOUNT = re.compile(r"mount (\d+) (content$|\S+ .*)", re.DOTALL)


class Group(NamedTuple):
    """The files of one source: their names, and what is listed of each; `folder` is where they lie."""

    folder: str
    files: Pairs

    def path(self, name: str) -> str:
        """Where a file lies in what is copied from."""
        return posixpath.normpath(posixpath.join(self.folder, name)) if self.folder or name else "."


class Sources(NamedTuple):
    """What is known of a step's sources beside its key: how they are written, and how many files each has."""

    written: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()


NONE = Sources()


def changes(old: Pairs, new: Pairs, sources: Sources = NONE, secrets: Sequence[str] = ()) -> list[Change]:
    """All that differs but the parent; of listed files each aspect. `secrets` are shown nowhere."""
    parts_old, files_old = _split(old)
    parts_new, files_new = _split(new)
    found: list[Change] = []
    before, after = dict(_settled(parts_old)), dict(_settled(parts_new))
    for label in [*after, *(label for label in before if label not in after)]:
        if before.get(label) != after.get(label):
            found += _change(label.rstrip(), before.get(label), after.get(label), secrets)
    found = [_named(change, sources) for change in found]
    hidden = [change for change in found if change.what == "unlisted"]
    if hidden:
        listed = _files(_by_source(files_old, before), _by_source(files_new, after))
        place = found.index(hidden[0])
        found = [change for change in found if change.what != "unlisted"]
        found[place:place] = listed or hidden
    order = ("text", "file", "arg", "env", "option")
    return sorted(found, key=lambda change: order.index(change.kind))


def _split(pairs: Pairs) -> tuple[Pairs, Pairs]:
    """The ingredients themselves, and the files that explain them."""
    files = [pair for pair in pairs if pair[0].startswith("file ")]
    return [pair for pair in pairs if not pair[0].startswith("file ") and pair[0] != PARENT], files


def _settled(parts: Pairs) -> Iterable[tuple[str, str]]:
    """Mounts without their numbers, so that one more does not change the others."""
    targets: dict[str, str] = {}
    seen: dict[str, int] = {}
    for label, value in parts:
        mount = _MOUNT.fullmatch(label)
        if mount is not None and mount[2] != "content":
            targets[mount[1]] = mount[2]
            label = f"mount {mount[2]}"
        elif mount is not None:
            label = f"mount {targets.get(mount[1], mount[1])} content"
        seen[label] = seen.get(label, 0) + 1
        yield (label if seen[label] == 1 else f"{label} "), value  # the same again: one more blank is enough


def _change(label: str, old: str | None, new: str | None, secrets: Sequence[str]) -> list[Change]:
    what = "added" if old is None else "removed" if new is None else "value"
    if label in NAMES:
        kind, name = NAMES[label]
        return [Change(kind, name, what, *_shown(old, new, secrets))]
    prefix = next((prefix for prefix in PREFIXES if label.startswith(prefix)), "")
    kind, name = PREFIXES.get(prefix, "option"), label.removeprefix(prefix)
    if kind in ("arg", "env"):
        if is_secret(name):
            return [Change(kind, name, what, old and MASKED, new and MASKED)]
        return [Change(kind, name, what, *_shown(old, new, secrets))]
    if prefix == "mount ":
        return _mount(name, what, old, new)
    if prefix == "source " and _is_digest(old) and _is_digest(new):
        return [Change("file", label, "unlisted")]
    if prefix == "document ":
        name = ((new or old or "").partition("\n")[0] or name).replace("\n", " ")
        old, new = _content(old), _content(new)
        return [Change("text", f"document {name}", what, *_shown(old, new, secrets))]
    if prefix == "ulimit ":
        name = f"--ulimit {name}"
    elif prefix == "exclude ":
        name = "--exclude"
    else:
        name = label
    return [Change(kind, name, what, *_shown(old, new, secrets))]


def _mount(name: str, what: str, old: str | None, new: str | None) -> list[Change]:
    """One --mount: its options one by one; or what it shows."""
    is_content = name.endswith(" content")
    kind, _, target = name.removesuffix(" content").partition(" ")
    title = f"--mount=type={kind},target={target}" if target else f"--mount=type={kind}"
    if is_content:
        return [Change("file", title, "unlisted")]
    if old is None or new is None:
        return [Change("text", title, what)]
    before, after = _options(old), _options(new)
    return [
        Change("text", f"{title} {name}", "value", before.get(name, ""), after.get(name, ""))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _options(text: str) -> dict[str, str]:
    return {name: _option(name, value) for name, value in json.loads(text).items()}


def _option(name: str, value: object) -> str:
    if name == "mode" and isinstance(value, int):
        return f"{value:04o}"
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _content(document: str | None) -> str | None:
    return None if document is None else document.partition("\n")[2]


def _is_digest(value: str | None) -> bool:
    return value is None or _HEX.fullmatch(value) is not None


def _shown(old: str | None, new: str | None, secrets: Sequence[str]) -> tuple[str | None, str | None]:
    """Both values as they may be shown. Where the new one has a secret, the old one had another, maybe."""
    after = None if new is None else masked(new, secrets)
    before = None if old is None else masked(old, secrets)
    if new is not None and old is not None and any(secret in new for secret in secrets):
        before = MASKED
    return before and before[:LONGEST], after and after[:LONGEST]


def _by_source(files: Pairs, parts: Mapping[str, str]) -> list[Group]:
    """The files of each source that is listed; one list of all for what is no COPY or ADD."""
    if parts.get("instruction") == "RUN":
        return [Group("", [(label[5:], line) for label, line in files])]
    groups = []
    folders = {label[5:] for label, line in files if line == "folder"}
    for written, group in groupby(files, lambda pair: _written(pair[0], folders)):
        folder = written if written in folders else posixpath.dirname(written)
        if "/./" in written:
            folder = written.partition("/./")[0]  # --parents: what comes before the pivot
        at = 5 + len(written) + 2
        groups.append(Group(folder, [(label[at:], line) for label, line in group]))
    return groups


def _written(label: str, folders: set[str]) -> str:
    """The source as the instruction has it, of `file SOURCE: PATH` or `file SOURCE`."""
    rest = label[5:]
    return rest if rest in folders else rest.partition(": ")[0]


def _files(old: list[Group], new: list[Group]) -> list[Change]:
    """What differs between the files that are listed, the most telling first."""
    full = [sum([len(group.files) for group in side]) >= MOST_LISTED for side in (old, new)]
    if len(old) != len(new):  # sources came or went: then the whole paths tell which files are the same
        old, new = [_merged(old)], [_merged(new)]
    groups: list[list[Change]] = []
    for before, after in zip(old, new, strict=True):
        groups += _compare(before, after, full[0], full[1])
    groups.sort(key=lambda group: RANKS.get(group[0].what, 3))
    return [change for group in groups for change in group]


def _merged(groups: list[Group]) -> Group:
    return Group("", [(group.path(name), line) for group in groups for name, line in group.files])


def _compare(before: Group, after: Group, is_old_full: bool, is_new_full: bool) -> Iterable[list[Change]]:
    """The changes of one source, those of each path together.

    The list of one that has more files than are listed ends where the other's may go on: nothing was added
    or removed there.
    """
    was, now = _joined(before.files), _joined(after.files)
    last_old = max([at for at, name in enumerate(was) if name in now], default=-1)
    last_new = max([at for at, name in enumerate(now) if name in was], default=-1)
    for at, (name, line) in enumerate(now.items()):
        if name not in was and is_old_full and at > last_new:
            continue
        if was.get(name) != line:
            yield _of_path(after.path(name), was.get(name), line)
    for at, (name, line) in enumerate(was.items()):
        if name not in now and not (is_new_full and at > last_old):
            yield _of_path(before.path(name), line, None)


def _joined(pairs: Pairs) -> dict[str, tuple[str, ...]]:
    """Lines by path: with wildcards several sources may have the same."""
    found: dict[str, tuple[str, ...]] = {}
    for path, line in pairs:
        found[path] = (*found.get(path, ()), line)
    return found


def _of_path(path: str, old: tuple[str, ...] | None, new: tuple[str, ...] | None) -> list[Change]:
    differing = facts_differ(parse(old[-1]) if old else None, parse(new[-1]) if new else None)
    return [Change("file", path, *each) for each in differing] or [Change("file", path, "picked")]


def _named(change: Change, sources: Sources) -> Change:
    """With the source as it is written in place of its number; where it helps, how many files it has."""
    number = change.name.removeprefix("source ")
    at = int(number) - 1 if change.kind == "file" and number.isdigit() else -1
    if not 0 <= at < len(sources.written):
        return change
    count = str(sources.counts[at]) if change.what == "unlisted" and at < len(sources.counts) else change.new
    return change._replace(name=sources.written[at] or ".", new=count)

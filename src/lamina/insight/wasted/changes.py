"""Changes: what to write in the Dockerfile so that the next image does not carry the bytes of a group."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.insight.wasted.caches import DATABASE
from lamina.insight.wasted.copies import DELETED, METADATA
from lamina.insight.wasted.groups import DUPLICATE, MOVED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.insight.stack import StackLayer
    from lamina.insight.wasted.caches import CachedIn
    from lamina.insight.wasted.groups import Group

_NOP = "/bin/sh -c #(nop)"
_RUN = re.compile(r"\|\d+ |/bin/\w*sh -|cmd /|powershell ")
_BUILDKIT = "# buildkit"
_WORD = re.compile(r"[A-Za-z]+(?=\s|\Z)")
_COPIES = ("COPY", "ADD")
_SOURCE = "source=SOURCE,"  # where the Dockerfile is not at hand, or says it in another way
_UPDATE = re.compile(r"\b(?:apt-get|apt|apk|dnf|yum|zypper)\b[^&|;]*\b(?:update|makecache|refresh)\b")


class Change(NamedTuple):
    """What to write in the Dockerfile."""

    layer: int  # the one whose instruction is to be changed; 0 when the image's own can change nothing
    line: int  # of that instruction, from 1; 0 where it is not known
    text: str  # one sentence that says it all
    snippet: str  # what to write there, `&& rm -rf /var/lib/apt/lists/*`; "" when there is no one text for it


def change(group: Group, layers: Sequence[StackLayer], image: str) -> Change:
    """The change that saves a group of files; `layers` are all of those of `image`."""
    why = group.why
    carrier, other = layers[why.layer], layers[why.by]
    if layers[max(why.layer, why.by)].base:
        return _nothing(f"it all happened in {carrier.base}: only another base image is without them")
    if why.kind == METADATA:
        return _metadata(group, other, carrier, image)
    if why.kind == DUPLICATE:
        return _duplicate(group, other, carrier)
    if carrier.base:
        return _below(group, carrier, other, image)
    if why.kind == DELETED and verb(carrier.created_by) in _COPIES:
        return _copied(group, carrier, other)
    if why.cached is not None:
        return _cache(why.cached, carrier)
    return _deleted(group, carrier, other) if why.kind == DELETED else _overwritten(carrier, other)


def verb(created_by: str) -> str:
    """The instruction that a line of history is of: RUN, COPY, ADD...; "" when it does not say."""
    text = created_by.strip()
    if text.startswith(_NOP):
        text = text.removeprefix(_NOP).strip()
    elif _RUN.match(text):
        return "RUN"
    word = _WORD.match(text)
    return word[0].upper() if word and (word[0].isupper() or "#" in created_by) else ""


def place(layer: StackLayer) -> str:
    """`the RUN of Dockerfile:5`, `the COPY of layer 3`, `layer 3`."""
    name = verb(layer.created_by)
    where = f"{layer.origin.dockerfile}:{layer.line}" if layer.origin else f"layer {layer.number}"
    if name:
        return f"the {name} of {where}"
    return where if layer.origin is None else f"the instruction of {where}"


def _at(layer: StackLayer, text: str, snippet: str = "") -> Change:
    return Change(layer.number, layer.line, text, snippet)


def _nothing(text: str) -> Change:
    return Change(0, 0, text, "")


def _cache(found: CachedIn, carrier: StackLayer) -> Change:
    if verb(carrier.created_by) in _COPIES:
        return _at(carrier, f"leave {_quoted(found.folder)} out of what {place(carrier)} copies")
    clean = found.cache.clean.format(_quoted(found.folder))
    if verb(carrier.created_by) != "RUN":
        return _at(carrier, f"run `{clean.removeprefix('&& ')}` where {place(carrier)} is made", clean)
    joined = "join the RUN that installs to it, and " if _only_updates(carrier) else ""
    words = [f"{joined}end {place(carrier)} with `{clean}`"]
    if found.cache.option:
        words.append(f"use `{found.cache.option}`")
    if found.cache.mount:
        target = found.cache.mount.format(found.folder)
        words.append(f"keep it out of the image with `RUN --mount=type=cache,target={_quoted(target)}`")
    return _at(carrier, ", or ".join(words), clean)


def _only_updates(layer: StackLayer) -> bool:
    """Whether a RUN fetches the lists of a package manager for another RUN."""
    return bool(_UPDATE.search(layer.created_by)) and "install" not in layer.created_by


def _below(group: Group, carrier: StackLayer, other: StackLayer, image: str) -> Change:
    """Files of the base image that a layer above it deletes or overwrites."""
    fold = (
        f"`lamina fold --base {_quoted(image)}` leaves them out, and makes the base's layers the image's own"
    )
    if group.why.kind == DELETED:
        how = f"{place(other)} only hides what {carrier.base} has: choose a base image without them"
    elif group.why.what == DATABASE:
        how = "whatever installs a package writes them anew: all packages in one RUN do it once"
    elif verb(other.created_by) == "RUN":
        how = f"{place(other)} writes anew what {carrier.base} has: take a newer base image, or one without"
    else:
        how = f"{carrier.base} has them, too: leave out what {place(other)} need not replace"
    return _nothing(f"{how}; {fold}")


def _deleted(group: Group, carrier: StackLayer, other: StackLayer) -> Change:
    if group.why.what == MOVED:
        return _at(carrier, f"make them where {place(other)} moves them: {_moved(group)}")
    if verb(carrier.created_by) != "RUN":
        text = f"delete them where they are made: {place(other)} only hides what layer {carrier.number} has"
        return _at(carrier, text)
    hides = f"{place(other)} only hides them"
    between = "" if other.number == carrier.number + 1 else ", after joining to it what needs them in between"
    roots = group.all_roots
    if not roots:
        return _at(carrier, f"delete them at the end of {place(carrier)}{between}: {hides}")
    remove = "&& rm -rf " + " ".join(_quoted(absolute(root)) for root in roots)
    return _at(carrier, f"end {place(carrier)} with `{remove}`{between}: {hides}", remove)


def _moved(group: Group) -> str:
    """`/there in place of /here`: of several files the folders, of which some file is the proof."""
    _, path, there = group.biggest[0]
    while group.files > 1 and path.rpartition(b"/")[2] == there.rpartition(b"/")[2] != b"":
        path, there = path.rpartition(b"/")[0], there.rpartition(b"/")[0]
    return f"{_quoted(absolute(there))} in place of {_quoted(absolute(path))}"


def _copied(group: Group, carrier: StackLayer, other: StackLayer) -> Change:
    """What COPY or ADD brought for one RUN, which deletes it: a bind mount has it there without a layer."""
    if group.why.what == MOVED:
        return _at(carrier, f"copy them to where {place(other)} moves them: {_moved(group)}")
    roots = group.all_roots
    if len(roots) != 1 or verb(other.created_by) != "RUN":
        return _at(carrier, f"do not copy them in {place(carrier)}: {place(other)} only hides them")
    target = absolute(roots[0])
    source = _source(carrier, target)
    if "://" in source:
        text = f"download it in {place(other)}, which needs it and deletes it, in place of {place(carrier)}"
        return _at(other, text)
    mount = f"--mount=type=bind,{source}target={_quoted(target)}"
    text = f"write `RUN {mount}` in {place(other)}, in place of {place(carrier)}: no layer has it then"
    return _at(other, text, mount)


def _source(layer: StackLayer, target: str) -> str:
    """`source=a/b,`, `from=stage,source=a/b,` of a COPY or ADD with one source; a URL; else _SOURCE."""
    from lamina.dockerfile import Add, Copy, DockerfileError, parse  # most images need it for nothing

    text = layer.created_by.removesuffix(_BUILDKIT)
    try:
        instruction = parse(b"FROM scratch\n" + text.encode(errors="replace")).instructions[1]
    except (DockerfileError, IndexError):
        return _SOURCE
    if not isinstance(instruction, Copy | Add) or len(instruction.sources) != 1:
        return _SOURCE
    (source,) = instruction.sources
    if "://" in source:
        return source
    is_it = target == instruction.dest.rstrip("/") or os.path.basename(target) == os.path.basename(source)
    if not is_it or re.search(r"[*?\[$,]", source):
        return _SOURCE
    stage = instruction.from_ if isinstance(instruction, Copy) else None
    return (f"from={stage}," if stage else "") + f"source={_quoted(source)},"


def _overwritten(carrier: StackLayer, other: StackLayer) -> Change:
    first, then = verb(carrier.created_by), verb(other.created_by)
    if first == then == "RUN":
        return _at(
            other, f"join {place(other)} to {place(carrier)} with `&&`: one layer has each file once", "&&"
        )
    if first in _COPIES and then in _COPIES:
        return _at(carrier, f"leave them out of {place(carrier)}: {place(other)} overwrites them")
    if first in _COPIES:
        return _at(
            carrier,
            f"change them before they are copied, or in a stage that {place(carrier)} then copies from: "
            f"{place(other)} makes second copies",
        )
    if then in _COPIES:
        return _at(carrier, f"do not make them in {place(carrier)}: {place(other)} overwrites them")
    return _at(carrier, f"write them once: {place(other)} overwrites what {place(carrier)} has")


def _metadata(group: Group, original: StackLayer, copy: StackLayer, image: str) -> Change:
    changed = group.why.what.split(", ")
    if verb(copy.created_by) in _COPIES and not original.base:
        if verb(original.created_by) in _COPIES:
            return _copied_again(group, original, copy)
        return _at(copy, f"leave them out of {place(copy)}: {place(original)} has made the same before")
    if not {"mode", "owner", "xattrs"} & set(changed):
        is_time = "gives them a new time" if "time" in changed else "writes them again as they were"
        return _at(copy, f"leave them alone in {place(copy)}: it only {is_time}")
    if original.base:
        return _nothing(
            f"they are in {original.base}, and a new {' and '.join(changed)} costs a second copy in any "
            f"layer above it; `lamina fold --base {_quoted(image)}` makes one of the two"
        )
    return _at_once(group, changed, original, copy)


def _copied_again(group: Group, original: StackLayer, copy: StackLayer) -> Change:
    before = f"{place(original)} has copied the same before"
    if group.files > 1:
        return _at(copy, f"leave them out of {place(copy)}: {before}")
    exclude = f"--exclude={_quoted(os.path.basename(absolute(group.biggest[0][1])))}"
    return _at(copy, f"write `{exclude}` in {place(copy)}: {before}", exclude)


def _at_once(group: Group, changed: Sequence[str], original: StackLayer, copy: StackLayer) -> Change:
    """The owner and mode given where the files come from."""
    owner = "{}:{}".format(*next(iter(group.owners))) if len(group.owners) == 1 else ""
    mode = f"{next(iter(group.modes)):04o}" if len(group.modes) == 1 else ""
    named = absolute(group.biggest[0][1] if group.files == 1 else group.folder or b"")
    again = f"not in {place(copy)}, which copies them"
    name = verb(original.created_by)
    words: list[str] = []
    if name in _COPIES:
        if "owner" in changed:
            words.append(f"--chown={owner or 'USER:GROUP'}")
        if "mode" in changed:
            words.append(f"--chmod={mode or 'MODE'}")
        if words:
            flags = " ".join(words)
            return _at(original, f"write `{name} {flags}` in {place(original)}, {again}", flags)
    if name == "RUN":
        if "owner" in changed and owner and named != "/":
            words.append(f"&& chown -R {owner} {_quoted(named)}")
        if "mode" in changed and mode and group.files == 1:
            words.append(f"&& chmod {mode} {_quoted(named)}")
        if words:
            snippet = " ".join(words)
            return _at(original, f"end {place(original)} with `{snippet}`, {again}", snippet)
    return _at(original, f"give them their {' and '.join(changed)} in {place(original)}, {again}")


def _duplicate(group: Group, first: StackLayer, copy: StackLayer) -> Change:
    _, path, other = group.biggest[0]
    is_same = first.number == copy.number
    # across layers a hard link would carry the bytes again
    link = f"ln -{'f' if is_same else 'sf'} {_quoted(absolute(other))} {_quoted(absolute(path))}"
    what = "a link" if group.files == 1 else "links"
    name = verb(copy.created_by)
    if name == "RUN":
        snippet = f"&& {link}" if group.files == 1 else ""
        how = f": `{link}`" if group.files == 1 else f" (`{link}`), or leave out what brings them again"
        return _at(copy, f"make {what} in {place(copy)} in place of copies{how}", snippet)
    symbolic = link.replace("ln -f ", "ln -sf ")
    where = "the same twice" if is_same else f"what {place(first)} has"
    left = "leave it out and" if group.files == 1 else "leave one out and link to the other, as in"
    return _at(copy, f"{place(copy)} copies {where}: {left} `RUN {symbolic}`")


def _quoted(text: str) -> str:
    """As a shell takes it; what cannot be printed as escapes, which no shell takes for something else."""
    if not text.isprintable():
        from lamina.fs.failures import shown

        text = shown(text)
    return shlex.quote(text)

"""find: every path of an image that an expression of find(1) is true for; one pass, bounded memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.db.files import absolute
from lamina.insight.files.expression import Act, Candidate, parse
from lamina.insight.files.merged import ImageFile, image_file
from lamina.tree.entry import Kind
from lamina.tree.tree import parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lamina.insight.files.expression import Expression, Setting


class FindHit(NamedTuple):
    """A path that was found, and what to do with it; what several actions want comes several times."""

    file: ImageFile
    depth: int  # below where the search started
    act: Act


def find(setting: Setting, path: bytes, words: Sequence[str], *, follow: bool = False) -> Iterator[FindHit]:
    """What is found at and below `path`, folders before what is in them.

    A link that `path` ends with is not followed without `follow`. NotFound, InvalidInput, Unsupported.
    """
    start = setting.merged.need(path, follow_last=follow)
    expression = parse(words, setting)
    return _found(setting, start.entry.path, expression)


def _found(setting: Setting, start: bytes, expression: Expression) -> Iterator[FindHit]:
    test, least, most = expression
    top = start.count(b"/") + 1 if start else 0
    pruned: set[bytes] = set()
    for found in setting.merged.walk(start):
        path = found.entry.path
        depth = (path.count(b"/") + 1 if path else 0) - top
        if pruned and _is_below(path, pruned):
            continue
        if most is not None and depth > most:
            continue
        if depth < least:
            continue
        it = Candidate(found, absolute(path), depth)
        test(it)
        for act in it.acts:
            yield FindHit(image_file(found), depth, act)
        if it.quit:
            return
        if it.pruned and found.entry.kind is Kind.DIR:
            pruned.add(path)


def _is_below(path: bytes, folders: set[bytes]) -> bool:
    while path:
        path = parent_of(path)
        if path in folders:
            return True
    return False

"""--cache-rule verify: a step that could have been reused is done all the same, and compared.

When they differ only in times and in known noise (build.noise), the build goes on with the recorded layer, as
it would have without being verified. A real difference is told, the new layer is used, and the recorded read
set, which did not see enough, is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build.adopting import Adoption, adopt
from lamina.build.errors import Swept
from lamina.build.noise import noise
from lamina.build.session import show
from lamina.db import cachedb, traces
from lamina.events import Notice
from lamina.layers.commit import reuse_diff
from lamina.tree.entry import Kind

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from lamina.build.reuse import Hit
    from lamina.build.stagerun import StageRun, Work
    from lamina.db.layerdb import Diff
    from lamina.layers.context import Layers
    from lamina.oci.digest import DiffID
    from lamina.tree.entry import Entry

_MOST = 20  # differences that are told one by one


class Unlike(NamedTuple):
    """A path at which two layers differ, and in what; `reason` says why that is known noise, if it is.

    `what` is added, removed, type, or some of mode, owner, content, target, device, xattrs and opaque.
    """

    path: bytes
    what: str
    reason: str = ""


class Verification(Adoption):
    """An Adoption that decides later: the layer is committed alone; `settle` compares it with the other."""

    def __init__(self, run: StageRun, work: Work, start: float, replace: bool, recipe: str, hit: Hit) -> None:
        ctx = run.session.ctx
        super().__init__(ctx, run.top, work, start, replace, run.state.scope.epoch, recipe)
        self._run = run
        self._hit = hit
        self._new: Diff

    def __call__(self, c: sqlite3.Connection, diff: Diff) -> None:
        self._new = diff
        if self.seen is not None:
            found = self.seen(c, diff)  # it can be asked only now
            self.seen = lambda *_: found

    def settle(self) -> None:
        """Compares, tells, and commits the step with the layer that the build is to go on with. Swept."""
        recorded = self._hit.step.diff_id
        assert recorded is not None
        found = compare(self._ctx, recorded, self._new.diff_id)
        real = [each for each in found if not each.reason]
        self._run.session.observer(Notice(self._told(found, real)))
        if real:
            if reuse_diff(self._ctx, self._new.diff_id, also=self._commit) is None:
                raise Swept
            return
        adopted = adopt(self._ctx, self._parent, self._work, self._hit.step, self._hit.old)
        if adopted is None:
            raise Swept
        self.diff, self.top, self.created = adopted

    def _commit(self, c: sqlite3.Connection, diff: Diff) -> None:
        super().__call__(c, diff)
        traces.delete(c, self._hit.trace)

    def _told(self, found: Sequence[Unlike], real: Sequence[Unlike]) -> str:
        step = f"verify: step {self._work.number}, {show(self._work.instruction, self._run.stage)}:"
        rule = self._hit.rule
        if real:
            return f"[Warning] {step} {rule} would have reused another layer: {_listed(real)}"
        if found:
            return f"{step} the same as {rule} would reuse, but for known noise: {_listed(found)}"
        return f"{step} the same as {rule} would reuse"


def compare(ctx: Layers, old: DiffID, new: DiffID) -> list[Unlike]:
    """Where two layers of the store differ, aside from times; sorted by path."""
    if old == new:
        return []
    c = ctx.db.read()
    before, after = ({entry.path: entry for entry in cachedb.files(c, diff_id)} for diff_id in (old, new))
    found = []
    for path in sorted(before.keys() | after.keys()):
        what = _unlike(before.get(path), after.get(path))
        if what:
            reason = noise(ctx, (old, new), path, what)
            found.append(Unlike(path, what, reason))
    return found


def _unlike(old: Entry | None, new: Entry | None) -> str:
    """In what two entries differ; "" for nothing but times."""
    if old is None or new is None:
        return "removed" if new is None else "added"
    if old.kind is not new.kind:
        return "type"
    names = {
        "mode": old.mode != new.mode and old.kind is not Kind.SYMLINK,
        "owner": (old.uid, old.gid) != (new.uid, new.gid),
        "content": (old.size, old.digest) != (new.size, new.digest),
        "target": old.link != new.link,
        "device": old.rdev != new.rdev,
        "xattrs": old.xattrs != new.xattrs,
        "opaque": old.opaque != new.opaque,
    }
    return ", ".join([name for name, differs in names.items() if differs])


def _listed(found: Sequence[Unlike]) -> str:
    shown = [_line(each) for each in found[:_MOST]]
    more = len(found) - len(shown)
    return "; ".join([*shown, f"and {more} more"] if more else shown)


def _line(each: Unlike) -> str:
    path = "/" + each.path.decode(errors="backslashreplace")
    return f"{path} ({each.reason})" if each.reason else f"{path} ({each.what})"

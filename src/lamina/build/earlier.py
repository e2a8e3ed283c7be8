"""Earlier: what the last build of a Dockerfile did, and the earlier step that is most like a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.build.records import context_of, plain
from lamina.db import cachedb, imagedb, recorded
from lamina.db.bases import bases_on
from lamina.oci.digest import ChainID

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from lamina.build.session import Session
    from lamina.build.stagerun import Work
    from lamina.db.cachedb import Step
    from lamina.db.layerdb import Layer
    from lamina.db.recorded import BuildStep

_QUICK = ("source layers", "checksum")  # ingredients of keys that stand for others (Work.alias)
_ALIKE = 0.6  # how much two texts must have in common (1: all) to be one instruction before and after an edit
_LONGEST = 500  # characters of them that are looked at


class Nearest(NamedTuple):
    """The earlier step that is most like a new one: its row in the cache, its record; or one of them.

    `elsewhere`: it only has the same line of history; the last build of this Dockerfile had no such step.
    """

    step: Step | None
    record: BuildStep | None = None
    build: str = ""
    elsewhere: bool = False


class Earlier:
    """What is recorded of earlier builds, as one build needs it; read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        request = session.request
        named = plain(session.record.dockerfile), plain(context_of(request)), plain(request.target or "")
        found = recorded.alike(self._rows, *named, without=session.record.id)
        self.build = found[0] if found else ""
        self.steps = recorded.steps(self._rows, self.build) if found else []

    @property
    def _rows(self) -> sqlite3.Connection:
        """The connection of the thread that asks: stages are done side by side."""
        return self._session.ctx.db.read()

    def nearest(self, work: Work, recipe: str) -> Nearest | None:
        """By recipe, else by its text or place in the last build, else by its line of history."""
        same = cachedb.steps_of_recipe(self._rows, recipe, 8) if recipe else []
        if same:
            return self.with_record(self._whole(same[0]))
        record = self.record_like(work.number)
        if record is not None and record.key:
            row = cachedb.get_step(self._rows, record.key)
            return Nearest(self._whole(row) if row else None, record, self.build)
        rows = cachedb.steps_created_by(self._rows, plain(work.created_by))
        if rows:
            return Nearest(self._whole(rows[-1]), elsewhere=True)
        if record is None and self._session.contexts.shared is not None:
            return self._shared(work)
        return Nearest(None, record, self.build) if record is not None else None

    def _shared(self, work: Work) -> Nearest | None:
        """Of what was done elsewhere on the same layers the step that reads most like this one."""
        records, number = self._session.record.steps, work.number
        before = records.get(number - 1) if records[number].start.place > 1 else None
        text = plain(work.created_by)
        rows = cachedb.shared_steps_on(self._rows, before.chain_id) if before is not None else []
        alike = [row for row in rows if _word(row.created_by) == _word(text)]
        found = next((row for row in alike if _are_alike(row.created_by, text)), None)
        return Nearest(self._whole(found), elsewhere=True) if found is not None else None

    def with_record(self, step: Step) -> Nearest:
        """A row with its record, if it is one of the last build."""
        record = next((each for each in self.steps if each.key == step.key), None)
        return Nearest(step, record, self.build if record is not None else "")

    def record_like(self, number: int) -> BuildStep | None:
        """The step of the last build that is the same in the Dockerfile: by its text, else by its place."""
        now = self._session.record.steps
        new = now[number].start
        is_first, stage = new.place == 1, plain(new.stage)
        stages = {stage}
        if all(step.stage != stage for step in self.steps):  # it may have had another name
            stages = {step.stage for step in self.steps} - {plain(step.start.stage) for step in now.values()}
        in_stage = [step for step in self.steps if step.stage in stages and (step.place == 1) == is_first]
        text = plain(new.text)
        same = [step for step in in_stage if step.text == text]
        if same:
            return min(same, key=lambda step: abs(step.place - new.place))
        taken = {plain(step.start.text) for step in now.values()}
        left = [step for step in in_stage if step.text not in taken and _word(step.text) == _word(text)]
        left.sort(key=lambda step: abs(step.place - new.place))
        if left and left[0].place == new.place:
            return left[0]
        return next((step for step in left if _are_alike(step.text, text)), None)

    def bases_of(self, chain: Iterable[Layer]) -> dict[str, str]:
        """Of these layers those that an image in a FROM ends with: `name@digest` by chain ID."""
        names = [layer.chain_id for layer in chain]
        rows = bases_on(self._rows, names) if names else []
        return {name: key for name, key in reversed(rows) if key}

    def name_of(self, chain_id: str) -> str:
        """An image with just these layers, as `name@digest`; where none is left, the layers' own name."""
        for image_id in imagedb.images_with_layer(self._rows, ChainID(chain_id)):
            layers = imagedb.layers_of(self._rows, image_id)
            if layers and layers[-1] == chain_id:
                tags = imagedb.tags(self._rows, image_id)
                return f"{tags[0] if tags else ''}@{image_id}"
        return f"@{chain_id}"

    def _whole(self, step: Step) -> Step:
        """The row that tells all files, where this one is only a quick way to it."""
        if not _is_quick(step):
            return step
        found = cachedb.steps_making(self._rows, step.diff_id) if step.diff_id else []
        whole = [one for one in found if one.created_by == step.created_by and not _is_quick(one)]
        return next((one for one in whole if one.parent == step.parent), whole[-1] if whole else step)


def _word(text: str) -> str:
    """What an instruction is; ADD is a COPY for this."""
    word = text.split(" ", 1)[0].upper()
    return "COPY" if word == "ADD" else word


def _are_alike(one: str, other: str) -> bool:
    """Whether one text looks like the other after an edit."""
    from difflib import SequenceMatcher  # few builds have a step that moved and changed

    return SequenceMatcher(None, one[:_LONGEST], other[:_LONGEST], autojunk=False).ratio() > _ALIKE


def _is_quick(step: Step) -> bool:
    return any(
        label in _QUICK or (label.startswith("mount ") and value.startswith("layers "))
        for label, value in step.ingredients
    )


def earlier_of(session: Session) -> Earlier:
    """That of this build, read when it is first wanted."""
    if session.earlier is None:
        session.earlier = Earlier(session)
    return session.earlier

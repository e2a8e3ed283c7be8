"""Merging: the config of an application on a new base, from those of the old base, itself, and the new base.

What the application left as its base had it becomes what the new base says; what it changed stays. Where both
changed the same thing to something else the application wins, and a MergedValue says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from lamina.oci.config import ContainerConfig

Value = TypeVar("Value")

TAKEN, CONFLICT = "taken", "conflict"
_PATH = "PATH"
_SCALARS = (
    ("user", "USER"),
    ("working_dir", "WORKDIR"),
    ("stop_signal", "STOPSIGNAL"),
    ("entrypoint", "ENTRYPOINT"),
    ("cmd", "CMD"),
    ("shell", "SHELL"),
    ("healthcheck", "HEALTHCHECK"),
)


class MergedValue(NamedTuple):
    """One thing in which the new base differs from the old one. Values are texts, None for none."""

    outcome: str  # TAKEN from the new base, or a CONFLICT, which the application won
    field: str  # the Dockerfile's word: ENV, LABEL, USER, ...
    name: str  # of a variable, label, port or volume; "" for the others
    old: str | None  # in the old base
    new: str | None  # in the new base
    result: str | None  # in the merged config


def merge(
    old: ContainerConfig, app: ContainerConfig, new: ContainerConfig
) -> tuple[ContainerConfig, tuple[MergedValue, ...]]:
    """The config of the application on the new base, and what came of all in which the bases differ."""
    told: list[MergedValue] = []
    changed: dict[str, Any] = {}
    for name, word in _SCALARS:
        before, ours, theirs = getattr(old, name), getattr(app, name), getattr(new, name)
        # who sets ENTRYPOINT resets CMD (Dockerfile reference): then an empty CMD is the application's own
        own = name == "cmd" and app.entrypoint != old.entrypoint
        changed[name] = ours if own else _one(told, (word, ""), before, ours, theirs)
    changed["env"] = _env(told, old.env, app.env, new.env)
    changed["labels"] = _mapping(told, "LABEL", old.labels, app.labels, new.labels)
    changed["exposed_ports"] = _names(told, "EXPOSE", old.exposed_ports, app.exposed_ports, new.exposed_ports)
    changed["volumes"] = _names(told, "VOLUME", old.volumes, app.volumes, new.volumes)
    return app._replace(**changed), tuple(told)


def merged_list(old: Sequence[str], app: Sequence[str], new: Sequence[str]) -> tuple[str, ...]:
    """Three lists of unique elements (of a PATH): the application's, less what the new base took away.

    What the new base added stands after what it stands after there; at its head, before all of the base's.
    """
    gone = set(old) - set(new)
    out = [item for item in app if item not in gone]
    for at, item in enumerate(new):
        if item in old or item in out:
            continue
        before = next((each for each in reversed(new[:at]) if each in out), None)
        after = next((each for each in new[at + 1 :] if each in out), None)
        if before is not None:
            out.insert(out.index(before) + 1, item)
        else:
            out.insert(out.index(after) if after is not None else len(out), item)
    return tuple(out)


def _one(told: list[MergedValue], what: tuple[str, str], old: Value, app: Value, new: Value) -> Value:
    """Three values of one thing; None or an empty one stands for nothing."""
    if new in (old, app):
        return app
    if app == old:
        told.append(MergedValue(TAKEN, *what, _text(old), _text(new), _text(new)))
        return new
    told.append(MergedValue(CONFLICT, *what, _text(old), _text(new), _text(app)))
    return app


def _mapping(
    told: list[MergedValue], word: str, old: Mapping[str, str], app: Mapping[str, str], new: Mapping[str, str]
) -> dict[str, str]:
    """Those that the new base has in its order, then what the application adds."""
    out: dict[str, str] = {}
    for name in dict.fromkeys([*new, *app, *old]):
        value = _one(told, (word, name), old.get(name), app.get(name), new.get(name))
        if value is not None:
            out[name] = value
    return out


def _env(
    told: list[MergedValue], old: Sequence[str], app: Sequence[str], new: Sequence[str]
) -> tuple[str, ...]:
    """Variables by name, PATH by its elements. One without `=` has no value, and keeps having none."""
    if tuple(old) == tuple(new):
        return tuple(app)
    before, ours, theirs = _variables(old), _variables(app), _variables(new)
    paths = before.get(_PATH), ours.get(_PATH), theirs.get(_PATH)
    if all(paths) and len(set(paths)) == 3:
        path = _path(*map(str, paths))
        told.append(MergedValue(TAKEN, "ENV", _PATH, _text(paths[0]), _text(paths[2]), _text(path)))
        before, ours, theirs = ({**each, _PATH: path} for each in (before, ours, theirs))
    merged = _mapping(told, "ENV", before, ours, theirs)
    return tuple([name + value for name, value in merged.items()])


def _path(old: str, app: str, new: str) -> str:
    return "=" + ":".join(
        merged_list(*(tuple(dict.fromkeys(each[1:].split(":"))) for each in (old, app, new)))
    )


def _variables(env: Iterable[str]) -> dict[str, str]:
    """By name the value with its `=`; the later of two counts."""
    found: dict[str, str] = {}
    for line in env:
        name, equals, value = line.partition("=")
        found[name] = equals + value
    return found


def _names(
    told: list[MergedValue], word: str, old: Iterable[str], app: Iterable[str], new: Iterable[str]
) -> tuple[str, ...]:
    """Sets of names: neither side can contradict the other."""
    before, ours, theirs = set(old), set(app), set(new)
    for name in sorted(before ^ theirs):
        there = name in theirs
        if there != (name in ours):
            told.append(MergedValue(TAKEN, word, name, _there(not there), _there(there), _there(there)))
    return tuple(sorted((ours | (theirs - before)) - (before - theirs)))


def _there(there: bool) -> str | None:
    return "" if there else None


def _text(value: object) -> str | None:
    """A value as a person writes it; None for nothing."""
    if value is None or value == () or value == "":
        return None
    if isinstance(value, str):
        return value.removeprefix("=")
    from lamina.oci import canonical  # lists and health checks are rarely shown

    shown = value.to_json() if hasattr(value, "to_json") else value
    return canonical.dumps(shown).decode()

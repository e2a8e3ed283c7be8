"""Frozen dataclasses that cost nothing until somebody asks what dataclass they are.

`dataclasses` and the nineteen classes that it would write take 16 ms of every start, a quarter of what
a fully cached build may take. So the classes are built here: annotations become slots, `__init__`,
`repr`, equality and hash are shared. `dataclasses.fields`, `replace`, `asdict` and `is_dataclass` work
on them: what those look for is made by `dataclasses` itself, at that moment. mypy takes them for
dataclasses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, dataclass_transform

if TYPE_CHECKING:
    from typing import NoReturn

_twins: dict[type, Any] = {}


class _FromTwin:
    """An attribute that `dataclasses` looks for, taken from a real dataclass with the same fields."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type[Frozen]) -> Any:
        if owner not in _twins:
            import dataclasses  # spares 8 ms of every start

            fields = [(name, "object") for name in owner._names]
            _twins[owner] = dataclasses.make_dataclass(owner.__name__, fields, frozen=True)
        return getattr(_twins[owner], self.name)


@dataclass_transform(frozen_default=True)
class _Meta(type):
    """Turns the annotations of a class into slots; those that are ClassVar stay what they are."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> type:
        own = [
            field
            for field, kind in namespace.get("__annotations__", {}).items()
            if not kind.startswith("ClassVar")
        ]
        inherited = bases[0]._names if bases and isinstance(bases[0], _Meta) else ()
        namespace["__slots__"] = tuple(own)
        namespace["_names"] = namespace["__match_args__"] = (*inherited, *own)
        return super().__new__(cls, name, bases, namespace)

    _names: tuple[str, ...]


class Frozen(metaclass=_Meta):
    """The base of such classes: values by position or by name, all of them, never changed."""

    _names: ClassVar[tuple[str, ...]]
    __dataclass_fields__ = _FromTwin()
    __dataclass_params__ = _FromTwin()

    def __init__(self, *values: Any, **named: Any) -> None:
        names = self._names
        for name in names[len(values) :]:
            if name in named:
                values = (*values, named.pop(name))
        if named or len(values) != len(names):
            raise TypeError(f"{type(self).__name__} takes {', '.join(names)}")
        for name, value in zip(names, values, strict=True):
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        self._refuse(name)

    def __delattr__(self, name: str) -> NoReturn:
        self._refuse(name)

    def _refuse(self, name: str) -> NoReturn:
        from dataclasses import FrozenInstanceError  # spares 8 ms of every start

        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _values(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in self._names)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Frozen) and type(other) is type(self) and self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names)
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[type, tuple[Any, ...]]:
        return type(self), self._values()

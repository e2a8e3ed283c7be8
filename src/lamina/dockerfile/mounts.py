"""RUN --mount as text: options in a row of CSV, which of them each type takes, what is wrong with them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from lamina.errors import InvalidInput
from lamina.gobool import truth

if TYPE_CHECKING:
    from collections.abc import Callable

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")
_ALIASES = {
    "src": "source",
    "dst": "target",
    "destination": "target",
    "ro": "readonly",
    "rw": "readwrite",
}
_KEYS: tuple[str, ...] = ("type", "from", "source", "target", "readonly", "readwrite", "id", "sharing")
_KEYS += ("required", "size", "mode", "uid", "gid", "env")
_IDLE = {
    "bind": ("id", "env"),
    "cache": ("env",),
    "tmpfs": ("from", "source", "id", "env"),
    "ssh": ("from", "env"),
}
_SIZE = re.compile(r"(\d+(?:\.\d*)?|\.\d+) ?(?:([kmgtp])?(i?b)?)", re.IGNORECASE)


class BadMount(InvalidInput):
    """A --mount that cannot be; `at` is the option to point at, as written."""

    def __init__(self, message: str, at: str = "--mount", *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.at = at


class Mount(NamedTuple):
    """One --mount with its values expanded and checked; None and "" where an option was not given.

    `size` is in bytes. `readonly` is decided: what is not said is yes for bind, secret and ssh.
    """

    type: str = "bind"
    from_: str = ""
    source: str = ""
    target: str = ""
    readonly: bool = True
    id: str = ""
    sharing: str = ""
    required: bool = False
    size: int = 0
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    env: str | None = None


def check_early(mount: str) -> None:
    """What is wrong with a mount before any variable is known: its CSV, and a variable in from=. BadMount."""
    for field in fields(mount):
        name, _, value = field.partition("=")
        if name.lower() == "from" and "$" in value[:-1]:
            raise BadMount(
                f"'{name}' doesn't support variable expansion, define alias stage instead",
                hint=f"write FROM {value} AS NAME, and from=NAME here",
            )


def from_of(mount: str) -> str:
    """The value of from= in a --mount; "" without one, and for a tmpfs, which shows nothing."""
    found = {}
    for field in fields(mount):
        name, _, value = field.partition("=")
        found[name.lower()] = value
    return "" if found.get("type", "").lower() == "tmpfs" else found.get("from", "")


def idle_options(mount: str) -> tuple[str, ...]:
    """The options of a --mount that its type takes no notice of, as written; none if that is a variable."""
    named = [field.partition("=")[::2] for field in fields(mount)]
    kind = next((value.lower() for name, value in named if name.lower() == "type"), "bind")
    return tuple(name for name, _ in named if _ALIASES.get(name.lower(), name.lower()) in _IDLE.get(kind, ()))


def fields(row: str) -> list[str]:
    """The fields of a row of CSV by the rules of Go's reader: quotes only round a whole field. BadMount."""
    if '"' not in row:
        if not row:
            raise BadMount("failed to parse csv mounts: EOF", hint="write type=TYPE,target=PATH,...")
        return row.split(",")
    found: list[str] = []
    at = 0
    while at <= len(row):
        if row[at : at + 1] == '"':
            field, at = _quoted(row, at + 1)
        else:
            end = row.find(",", at)
            field = row[at:] if end < 0 else row[at:end]
            if '"' in field:
                raise _bad_quote('bare " in non-quoted field', at + field.index('"'))
            at += len(field) + 1
        found.append(field)
    return found


def _quoted(row: str, at: int) -> tuple[str, int]:
    """The quoted field whose text begins at `at`, and where the next field begins."""
    text = ""
    while (end := row.find('"', at)) >= 0:
        text += row[at:end]
        follows = row[end + 1 : end + 2]
        if follows in ("", ","):
            return text, end + 2
        if follows != '"':
            raise _bad_quote('extraneous or missing " in quoted-field', end)
        text, at = text + '"', end + 2
    raise _bad_quote('extraneous or missing " in quoted-field', len(row))


def _bad_quote(what: str, at: int) -> BadMount:
    return BadMount(
        f"failed to parse csv mounts: parse error on line 1, column {at + 1}: {what}",
        hint='quote a whole field, \\"source=a,b\\", and write a quote in it twice',
    )


def parse(text: str, expand: Callable[[str], str]) -> Mount:
    """Reads one --mount; `expand` replaces the variables in a value. BadMount."""
    values: dict[str, object] = {}
    kind = "bind"
    for field in fields(text):
        name, has_value, value = field.partition("=")
        name = name.lower()
        key = _ALIASES.get(name, name)
        if not has_value and key not in ("readonly", "readwrite", "required"):
            raise BadMount(f"invalid field '{field}' must be a key=value pair", field)
        if key not in _KEYS:
            raise _unexpected(name, f"in '{field}'", field)
        if (key == "required" and kind not in ("secret", "ssh")) or (key == "size" and kind != "tmpfs"):
            raise _misplaced(name, kind, field)
        read = expand(value) if has_value else "true"
        values[key] = _READERS[key](name, read, field) if key in _READERS else read
        if key == "readwrite":
            values["readonly"] = not values.pop("readwrite")
        kind = str(values.get("type", kind))
    if "from" in values:
        values["from_"] = values.pop("from")
    values.setdefault("readonly", kind not in ("cache", "tmpfs"))
    mount = Mount(**values)  # type: ignore[arg-type]
    _check(mount)
    return mount


def _check(mount: Mount) -> None:
    """What does not go together."""
    if mount.type not in ("secret", "ssh", "cache"):
        for name in ("mode", "uid", "gid"):
            if getattr(mount, name) is not None:
                hint = "it is for cache, secret and ssh mounts"
                raise BadMount(f'{name} not allowed for "{mount.type}" type mounts', f"{name}=", hint=hint)
    if mount.type == "secret":
        if mount.from_:
            raise BadMount("secret mount should not have a from", "from=")
        if mount.sharing:
            raise BadMount("secret mount should not define sharing", "sharing=")
        if not (mount.source or mount.target or mount.id):
            raise BadMount(
                "invalid secret mount. one of source, target required", hint="name the secret: id=NAME"
            )
        if mount.source and mount.id:
            raise BadMount("both source and id can't be set", hint="leave source out")
    if mount.type == "ssh" and mount.source:
        raise BadMount("ssh does not support source", hint="name the agent: id=NAME")
    if mount.sharing and mount.type != "cache":
        raise BadMount(f"invalid cache sharing set for {mount.type} mount", "sharing=")
    if mount.env == "" or "\0" in (mount.env or "") or "=" in (mount.env or ""):
        raise BadMount(f"invalid value for env: {mount.env}", "env=", hint="it names a variable")


def _type(name: str, value: str, field: str) -> str:
    return _one_of(TYPES, f'unsupported mount type "{value}"', value, field)


def _sharing(name: str, value: str, field: str) -> str:
    return _one_of(SHARING, f'unsupported sharing value "{value}"', value, field)


def _one_of(known: tuple[str, ...], message: str, value: str, field: str) -> str:
    if value.lower() in known:
        return value.lower()
    from lamina.dockerfile.suggest import closest  # only for errors: spares its import

    near = closest(value, known)
    raise BadMount(message, field, hint=f"did you mean {near}?" if near else "one of " + ", ".join(known))


def _yes_or_no(name: str, value: str, field: str) -> bool:
    said = truth(value)
    if said is None:
        raise BadMount(f"invalid value for {name}: {value}", field, hint="true or false")
    return said


def _bytes(name: str, value: str, field: str) -> int:
    match = _SIZE.fullmatch(value)
    if match is None or not value.isascii():
        raise BadMount(f"invalid value for {name}: {value}", field, hint="a number and b, k, m or g")
    return int(float(match[1]) * 1024 ** " kmgtp".index((match[2] or " ").lower()))


def _octal(name: str, value: str, field: str) -> int:
    return _number(name, value, field, 8, "an octal number, as in mode=0755")


def _decimal(name: str, value: str, field: str) -> int:
    return _number(name, value, field, 10, "a number: names are not looked up here")


def _number(name: str, value: str, field: str, base: int, hint: str) -> int:
    digits = "01234567" if base == 8 else "0123456789"
    # The highest number means "as it is" to the kernel.
    if not value or value.strip(digits) or len(value) > 20 or int(value, base) >= (1 << 32) - 1:
        raise BadMount(f"invalid value {value} for {name}", field, hint=hint)
    return int(value, base)


def _misplaced(name: str, kind: str, field: str) -> BadMount:
    """An option that this type does not take, or that stands before the type."""
    hint = "it is for tmpfs mounts" if name == "size" else "it is for secret and ssh mounts"
    return BadMount(
        f"unexpected key '{name}' for mount type '{kind}'", field, hint=f"{hint}, and comes after type="
    )


def _unexpected(name: str, where: str, field: str) -> BadMount:
    from lamina.dockerfile.suggest import closest  # see _one_of

    near = closest(name, (*_KEYS, *_ALIASES))
    hint = f"did you mean {near}?" if near else "one of " + ", ".join(_KEYS)
    return BadMount(f"unexpected key '{name}' {where}", field, hint=hint)


_READERS: dict[str, Callable[[str, str, str], object]] = {
    "type": _type,
    "readonly": _yes_or_no,
    "readwrite": _yes_or_no,
    "required": _yes_or_no,
    "size": _bytes,
    "sharing": _sharing,
    "mode": _octal,
    "uid": _decimal,
    "gid": _decimal,
}

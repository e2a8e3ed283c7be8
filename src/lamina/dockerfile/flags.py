"""Which flags each instruction takes, and reading them: `--name=value`, `--name` for yes or no."""

from __future__ import annotations

from typing import Literal

from lamina.dockerfile.source import Fault

Kind = Literal["text", "texts", "bool"]

_COPYING: dict[str, Kind] = {"chown": "text", "chmod": "text", "link": "bool", "exclude": "texts"}
_KNOWN: dict[str, dict[str, Kind]] = {
    "FROM": {"platform": "text"},
    "RUN": {"mount": "texts", "network": "text", "security": "text", "device": "texts"},
    "COPY": {**_COPYING, "from": "text", "parents": "bool"},
    "ADD": {**_COPYING, "keep-git-dir": "bool", "checksum": "text", "unpack": "bool"},
    "HEALTHCHECK": dict.fromkeys(
        ("interval", "timeout", "start-period", "start-interval", "retries"), "text"
    ),
}


def known(keyword: str) -> tuple[str, ...]:
    """The names of the flags that an instruction takes."""
    return tuple(_KNOWN.get(keyword, ()))


class Flags:
    """The flags of one instruction, checked. A flag that is absent is None, or () when it may be repeated."""

    __slots__ = ("_many", "_texts", "_yes")

    def __init__(self, keyword: str, written: tuple[str, ...]) -> None:
        self._texts: dict[str, str] = {}
        self._many: dict[str, list[str]] = {}
        self._yes: dict[str, bool] = {}
        for flag in written:
            self._read(keyword, flag)

    def _read(self, keyword: str, flag: str) -> None:
        name, equals, value = flag[2:].partition("=")
        kind = _KNOWN.get(keyword, {}).get(name)
        if kind is None:
            raise _unknown(keyword, name)
        if name in self._texts or name in self._yes:
            raise Fault(f"duplicate flag specified: --{name}", at=f"--{name}", hint="give it once")
        if kind == "bool":
            self._yes[name] = _yes_or_no(name, equals, value)
            return
        if not equals:
            raise Fault(f"missing a value on flag: --{name}", at=f"--{name}", hint=f"write --{name}=VALUE")
        if kind == "texts":
            self._many.setdefault(name, []).append(value)
        else:
            self._texts[name] = value

    def text(self, name: str) -> str | None:
        """The value of a flag that takes one."""
        return self._texts.get(name)

    def texts(self, name: str) -> tuple[str, ...]:
        """The values of a flag that may be repeated, in order."""
        return tuple(self._many.get(name, ()))

    def yes(self, name: str) -> bool | None:
        """Whether a flag is on."""
        return self._yes.get(name)


def _yes_or_no(name: str, equals: str, value: str) -> bool:
    if equals and not value:
        raise Fault(
            f"missing a value on flag: --{name}", at=f"--{name}", hint=f"write --{name} or --{name}=false"
        )
    if value.lower() not in ("", "true", "false"):
        detail = f"expecting boolean value for flag --{name}, not: {value}"
        raise Fault(detail, at=f"--{name}", hint="true or false")
    return value.lower() != "false"


def _unknown(keyword: str, name: str) -> Fault:
    from lamina.dockerfile.suggest import closest  # only for errors: spares its import

    known = _KNOWN.get(keyword, {})
    near = closest(name, known)
    if near:
        hint = f"did you mean --{near}?"
    elif known:
        hint = f"{keyword} takes " + ", ".join(f"--{flag}" for flag in known)
    else:
        hint = f"{keyword} takes no flags"
    return Fault(f"unknown flag: --{name}", at=f"--{name}", hint=hint)

"""Flags and operands of one command line, read as Docker's own client reads them (Go's pflag).

Not argparse: `--rm=false`, `-itv /a:/b`, flags that end at the first operand, Docker's messages and exit
codes are all against its grain, its help text changes with the Python version, and it costs 10 ms of the
75 that a cached build may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput, Unsupported
from lamina.gobool import truth

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class UsageError(InvalidInput):
    """The command line itself is wrong; `usage` is what to print below the message."""

    def __init__(self, message: str, usage: str, exit_code: int) -> None:
        super().__init__(message)
        self.usage = usage
        self.exit_code = exit_code


class HelpWanted(Exception):
    """--help was given; `text` is what to print."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Flag:
    """One flag of a command: `value` names what it takes and is "" for a switch; `many` keeps each one."""

    __slots__ = ("alone", "help", "many", "name", "short", "value")

    def __init__(
        self, name: str, short: str, value: str, help: str, many: bool = False, alone: str = ""
    ) -> None:
        self.name = name
        self.alone = alone
        self.short = short
        self.value = value
        self.help = help
        self.many = many


class Args:
    """What was given: flags by their long name, and the operands in their order."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.operands: list[str] = []
        self._values: dict[str, list[str]] = {}

    def add(self, flag: Flag, value: str) -> None:
        """Notes one value of a flag; a later one replaces it unless the flag takes many."""
        if flag.many:
            self._values.setdefault(flag.name, []).append(value)
        else:
            self._values[flag.name] = [value]

    def on(self, name: str) -> bool:
        """Is this switch set?"""
        return self._values.get(name) == ["true"]

    def given(self, name: str) -> bool:
        """Was this flag written at all?"""
        return name in self._values

    def given_any(self, names: str) -> bool:
        """Was one of these flags (words in one text) written?"""
        return not self._values.keys().isdisjoint(names.split())

    def text(self, name: str, default: str = "") -> str:
        """The value of a flag, the last one where it was written twice."""
        return self._values.get(name, [default])[-1]

    def texts(self, name: str) -> list[str]:
        """All values of a flag that takes many."""
        return self._values.get(name, [])


class Command:
    """A command's flags, operands and help; `parse` turns words into Args."""

    def __init__(self, program: str, path: str, summary: str) -> None:
        self.program = program
        self.path = path
        self.summary = summary
        self.operands = ""
        self.details = ""
        self.interspersed = True
        self.negative_operands = False  # `-1` is an operand: the top layer
        self._least = 0
        self._most: int | None = 0
        self._flags: dict[str, Flag] = {}
        self._shorts: dict[str, Flag] = {}
        self._later: dict[str, str] = {}

    def takes(self, usage: str, least: int, most: int | None) -> None:
        """Says which operands there are (as in the usage line) and how many; `most` None is no bound."""
        self.operands = usage
        self._least, self._most = least, most

    def switch(self, name: str, help: str, short: str = "") -> None:
        """A flag without a value."""
        self._add(Flag(name, short, "", help))

    def option(self, name: str, value: str, help: str, short: str = "", *, many: bool = False) -> None:
        """A flag with a value."""
        self._add(Flag(name, short, value, help, many))

    def maybe(self, name: str, value: str, help: str, alone: str) -> None:
        """A flag whose value may only be joined by `=`; without one it is `alone`."""
        self._add(Flag(name, "", value, help, alone=alone))

    def later(self, names: str, why: str = "this version of Lamina has no such thing yet") -> None:
        """Docker's flags that are refused with a clear word instead of as unknown."""
        self._later.update(dict.fromkeys(names.split(), why))

    def refused(self) -> Iterable[str]:
        """Names of Docker's flags that this command knows and refuses."""
        return self._later

    def _add(self, flag: Flag) -> None:
        self._flags[flag.name] = flag
        if flag.short:
            self._shorts[flag.short] = flag

    def flags(self) -> Iterable[Flag]:
        """All flags that this command has."""
        return self._flags.values()

    def parse(self, words: Sequence[str]) -> Args:
        """Reads the words after the command. UsageError, Unsupported or HelpWanted."""
        args = Args(self.path)
        rest = list(words)
        while rest:
            word = rest.pop(0)
            if word == "--":
                args.operands += rest
                break
            if word.startswith("--"):
                self._long(word[2:], rest, args)
            elif word.startswith("-") and word != "-" and not (self.negative_operands and word[1].isdigit()):
                self._cluster(word[1:], rest, args)
            else:
                args.operands.append(word)
                if not self.interspersed:
                    args.operands += rest
                    break
        self._count(args.operands)
        return args

    def _long(self, word: str, rest: list[str], args: Args) -> None:
        name, equals, value = word.partition("=")
        flag = self._flags.get(name)
        if flag is None:
            if name == "help":
                raise HelpWanted(self.help())
            if name in self._later:
                raise Unsupported(f"--{name} is not supported", hint=self._later[name])
            raise self.wrong(f"unknown flag: --{name}", 125)
        if equals:
            args.add(flag, value if flag.value else self._truth(flag, value))
        elif not flag.value or flag.alone:
            args.add(flag, flag.alone or "true")
        elif rest:
            args.add(flag, rest.pop(0))
        else:
            raise self.wrong(f"flag needs an argument: --{name}", 125)

    def _cluster(self, letters: str, rest: list[str], args: Args) -> None:
        """`-it`, `-eK=V`, `-e K=V`, `-e=K=V`: switches until one that takes what is left."""
        word = letters
        while letters:
            letter, letters = letters[0], letters[1:]
            flag = self._shorts.get(letter)
            if flag is None:
                if letter == "h":
                    raise HelpWanted(self.help())
                if letter in self._later:
                    raise Unsupported(f"-{letter} is not supported", hint=self._later[letter])
                raise self.wrong(f"unknown shorthand flag: {letter!r} in -{word}", 125)
            if not flag.value:
                if letters.startswith("="):
                    args.add(flag, self._truth(flag, letters[1:]))
                    return
                args.add(flag, "true")
            elif letters:
                args.add(flag, letters.removeprefix("="))
                return
            elif rest:
                args.add(flag, rest.pop(0))
            else:
                raise self.wrong(f"flag needs an argument: {letter!r} in -{word}", 125)

    def _truth(self, flag: Flag, value: str) -> str:
        said = truth(value)
        if said is None:
            raise self.wrong(f'invalid argument "{value}" for "--{flag.name}" flag: not true or false', 125)
        return "true" if said else "false"

    def _count(self, operands: list[str]) -> None:
        least, most = self._least, self._most
        if len(operands) >= least and (most is None or len(operands) <= most):
            return
        if most == 0:
            need = "accepts no arguments"
        elif most == least:
            need = f"requires {_arguments(least)}"
        elif len(operands) < least:
            need = f"requires at least {_arguments(least)}"
        else:
            need = f"requires at most {_arguments(most or 0)}"
        raise self.wrong(f"{self.program}: '{self.program} {self.path}' {need}", 1)

    def wrong(self, message: str, exit_code: int) -> UsageError:
        """The error that shows this command's usage below `message`."""
        more = f"Run '{self.program} {self.path} --help' for more information".replace("  ", " ")
        return UsageError(message, f"{self.usage()}\n\n{more}", exit_code)

    def usage(self) -> str:
        """The line `Usage:  lamina images [OPTIONS] [REPOSITORY[:TAG]]`."""
        words = [self.program, self.path, "[OPTIONS]" if self._flags else "", self.operands]
        return "Usage:  " + " ".join(word for word in words if word)

    def help(self) -> str:
        """The page that --help prints."""
        parts = [self.usage(), self.summary]
        if self.details:
            parts.append(self.details)
        if self._flags:
            parts.append("Options:\n" + describe(self._flags.values()))
        return "\n\n".join(parts)


def describe(flags: Iterable[Flag]) -> str:
    """The lines of an Options block, sorted by name, wrapped at 80 columns."""
    rows = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        short = f"-{flag.short}, " if flag.short else "    "
        rows.append((f"  {short}--{flag.name} {flag.value}".rstrip(), flag.help))
    width = max(len(left) for left, _ in rows) + 3
    return "\n".join(line for left, text in rows for line in _wrap(left.ljust(width), text))


def _wrap(left: str, text: str) -> list[str]:
    lines = [left]
    for word in text.split():
        if len(lines[-1]) + len(word) >= 80 and lines[-1].strip():
            lines[-1] = lines[-1].rstrip()
            lines.append(" " * len(left))
        lines[-1] += word + " "
    lines[-1] = lines[-1].rstrip()
    return lines


def _arguments(count: int) -> str:
    return "1 argument" if count == 1 else f"{count} arguments"

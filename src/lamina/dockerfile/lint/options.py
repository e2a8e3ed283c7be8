"""Which rules count: `# check=skip=A,B;error=true;experimental=C`, and BUILDKIT_DOCKERFILE_CHECK the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.dockerfile.source import SourceRange, error_at, quote
from lamina.errors import InvalidInput
from lamina.gobool import truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.dockerfile.lint.rules import Rule
    from lamina.dockerfile.parser import Dockerfile

BUILD_ARG = "BUILDKIT_DOCKERFILE_CHECK"


class Options(NamedTuple):
    """Rules by name; `error` makes a build with violations fail before anything runs."""

    skip: frozenset[str] = frozenset()
    skip_all: bool = False
    experimental: frozenset[str] = frozenset()
    experimental_all: bool = False
    error: bool = False

    def counts(self, rule: Rule) -> bool:
        """Whether violations of `rule` are told. Skipping says nothing about experimental rules."""
        if rule.experimental:
            return self.experimental_all or rule.name in self.experimental
        return not self.skip_all and rule.name not in self.skip

    def merged(self, other: Options) -> Options:
        """With what a comment above one instruction says besides."""
        return Options(
            self.skip | other.skip,
            self.skip_all or other.skip_all,
            self.experimental | other.experimental,
            self.experimental_all or other.experimental_all,
            self.error or other.error,
        )


def parse(text: str) -> Options:
    """Reads `key=value;...`. InvalidInput in BuildKit's words."""
    options = Options()
    for part in text.strip().split(";") if text.strip() else ():
        name, equals, value = part.partition("=")
        name, value = name.strip(), value.strip()
        if not equals:
            raise InvalidInput(f"invalid check option {quote(part)}", hint="write it as NAME=VALUE")
        if name == "error":
            options = options._replace(error=_bool(part, value))
        elif name == "skip":
            options = options._replace(skip_all=value == "all", skip=_names(value))
        elif name == "experimental":
            options = options._replace(experimental_all=value == "all", experimental=_names(value))
        else:
            raise InvalidInput(
                f"invalid check option {quote(name)}", hint="there are skip, error and experimental"
            )
    return options


def options_of(directives: Mapping[str, str], build_args: Mapping[str, str]) -> Options:
    """What the build argument says, else the directive. InvalidInput."""
    try:
        if BUILD_ARG in build_args:
            where = f"build-arg:{BUILD_ARG}"
            return parse(build_args[BUILD_ARG])
        where = "check options"
        return parse(first_word(directives.get("check", "")))
    except InvalidInput as error:
        raise InvalidInput(f"failed to parse {where}: {error.message}", hint=error.hint) from None


def build_options(dockerfile: Dockerfile, build_args: Mapping[str, str]) -> Options:
    """The options for one build of a Dockerfile. DockerfileError at the directive, InvalidInput."""
    try:
        return options_of(dockerfile.directives, build_args)
    except InvalidInput as error:
        if BUILD_ARG in build_args:
            raise
        value = first_word(dockerfile.directives["check"])
        line = next((n for n, text in enumerate(dockerfile.lines, 1) if value in text), 1)
        place = SourceRange(line, line)
        raise error_at(
            dockerfile.name, dockerfile.lines, place, error.message, at=value, hint=error.hint
        ) from None


def first_word(text: str) -> str:
    """What counts of a directive's value: BuildKit takes the rest of the line for a remark."""
    return text.split(" ", 1)[0]


def _names(value: str) -> frozenset[str]:
    return frozenset() if value == "all" else frozenset(name.strip() for name in value.split(","))


def _bool(part: str, value: str) -> bool:
    said = truth(value)
    if said is None:
        raise InvalidInput(
            f"failed to parse check option {quote(part)}: {quote(value)} is no boolean", hint="true or false"
        )
    return said

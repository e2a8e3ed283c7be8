"""--failed, --step and --before: which step of which build is meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from lamina.cli.flags import Args
    from lamina.engine.steps import StepRef


def step_of(args: Args, build: str = "") -> StepRef:
    """The step that the flags name, in the build `build` ("" for the last). InvalidInput."""
    from lamina.engine.steps import StepRef  # loads what builds and containers are made with

    if args.on("failed") and args.given("step"):
        raise InvalidInput("--failed and --step name two steps", hint="--step N takes a failed step, too")
    number = 0
    if args.given("step"):
        text = args.text("step")
        if not text.isascii() or not text.isdigit() or not 0 < int(text[:10]) < 1 << 31:
            raise InvalidInput(
                f'invalid argument "{text}" for "--step" flag: not the number of a step',
                hint="`lamina build show` lists the steps with their numbers",
            )
        number = int(text)
    return StepRef(build, number, args.on("before"))

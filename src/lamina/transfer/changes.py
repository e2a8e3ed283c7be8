"""apply_changes: the instructions of `--change`, of import and commit, on an image's config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina import dockerfile as ast
from lamina.dockerfile import parse_trigger
from lamina.errors import InvalidInput
from lamina.graph.advance import advance
from lamina.graph.scope import Scope
from lamina.graph.state import StageState, split_env

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.oci.config import ImageConfig

# Those that Docker allows here: they change the config and no file.
_ALLOWED = {
    "CMD": ast.Cmd,
    "ENTRYPOINT": ast.Entrypoint,
    "ENV": ast.Env,
    "EXPOSE": ast.Expose,
    "HEALTHCHECK": ast.Healthcheck,
    "LABEL": ast.Label,
    "STOPSIGNAL": ast.Stopsignal,
    "USER": ast.User,
    "VOLUME": ast.Volume,
    "WORKDIR": ast.Workdir,
}


def apply_changes(config: ImageConfig, changes: Sequence[str]) -> ImageConfig:
    """The config after the instructions, each the text of one. InvalidInput when one is not allowed here."""
    scope = Scope({}, {}, config.platform)
    env = dict(split_env(item) for item in config.config.env)
    state = StageState(scope, config, env)
    for change in changes:
        state = _onbuild(state, change) or _changed(state, change)
    return state.image


def _changed(state: StageState, change: str) -> StageState:
    for instruction in parse_trigger(change, "--change").instructions:
        if not isinstance(instruction, tuple(_ALLOWED.values())):
            raise InvalidInput(
                f"--change {change!r}: this instruction is not allowed here",
                hint="allowed are ONBUILD, " + ", ".join(_ALLOWED),
            )
        state = advance(state, instruction).state
    return state


def _onbuild(state: StageState, change: str) -> StageState | None:
    """The state with one trigger more; None when the change is another instruction."""
    keyword, _, trigger = change.strip().partition(" ")
    if keyword.upper() != "ONBUILD":
        return None
    parse_trigger(trigger, "--change")  # so that it is one
    config = state.config
    return state.with_config(config._replace(on_build=(*config.on_build, trigger.strip())))

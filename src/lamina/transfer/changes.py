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
    "ONBUILD": ast.Onbuild,
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
        for instruction in parse_trigger(change, "--change").instructions:
            if not isinstance(instruction, tuple(_ALLOWED.values())):
                raise InvalidInput(
                    f"--change {change!r}: this instruction is not allowed here",
                    hint="allowed are " + ", ".join(_ALLOWED),
                )
            state = advance(state, instruction).state
    return state.image

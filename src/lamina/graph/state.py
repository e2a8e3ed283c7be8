"""StageState: where a stage stands between two of its instructions, and the config it ends with."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from lamina.graph.history import COMMENT, fill_times
from lamina.graph.ops import Variable
from lamina.oci.config import ContainerConfig, History, ImageConfig, RootFS
from lamina.oci.timestamp import rfc3339

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lamina.graph.scope import Scope
    from lamina.oci.digest import DiffID
    from lamina.oci.platform import Platform

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_DEFAULT_SHELL = ("/bin/sh", "-c")
_WINDOWS, _WINDOWS_SHELL = "windows", ("cmd", "/S", "/C")


class StageState(NamedTuple):
    """What the instructions so far have made of a stage's base; immutable, see advance().

    `env` is what a RUN and `${}` see: the image's ENV and the ARGs that were declared. `args` are those
    ARGs in order, with their value ("" for none).
    """

    scope: Scope
    image: ImageConfig
    env: Mapping[str, str]
    args: tuple[tuple[str, str], ...] = ()
    args_in_env: frozenset[str] = frozenset()  # names whose value in `env` is an ARG's
    cmd_set: bool = False  # a CMD stood in this stage
    history: tuple[History, ...] = ()  # of the base, then one a step; "" where no time is known yet
    diff_ids: tuple[DiffID, ...] = ()
    lines: tuple[int, ...] = ()  # where what the build added to the history stands in the Dockerfile

    @property
    def config(self) -> ContainerConfig:
        """The part of the config that ENV, CMD, ... write."""
        return self.image.config

    @property
    def shell(self) -> tuple[str, ...]:
        """What the shell form of an instruction runs in."""
        return self.config.shell or (_WINDOWS_SHELL if self.image.os == _WINDOWS else _DEFAULT_SHELL)

    def with_config(self, config: ContainerConfig) -> StageState:
        """The state with another container config."""
        return self._replace(image=self.image._replace(config=config))

    def variables(self) -> tuple[Variable, ...]:
        """The environment of a RUN."""
        return tuple(Variable(name, value, name in self.args_in_env) for name, value in self.env.items())

    def declared_args(self) -> list[tuple[str, str]]:
        """The ARGs in scope with the value that a RUN sees."""
        return [(name, self.env.get(name, value)) for name, value in self.args]

    def add_history(
        self, created_by: str, diff_id: DiffID | None = None, created: str = "", at: int = 0
    ) -> StageState:
        """The state after a step, which stands at line `at`: with a layer, made at `created`, or without."""
        line = History(created=created, created_by=created_by, comment=COMMENT, empty_layer=diff_id is None)
        layers = self.diff_ids if diff_id is None else (*self.diff_ids, diff_id)
        return self._replace(history=(*self.history, line), diff_ids=layers, lines=(*self.lines, at))


def from_scratch(scope: Scope) -> StageState:
    """The state right after `FROM scratch`; there is no PATH for Windows."""
    platform = scope.platform
    env = {} if platform.os == _WINDOWS else {"PATH": DEFAULT_PATH}
    config = ContainerConfig(env=tuple(f"{name}={value}" for name, value in env.items()), working_dir="/")
    image = ImageConfig(platform.architecture, platform.os, config=config, variant=platform.variant)
    return StageState(scope, image, env)


def from_image(scope: Scope, image: ImageConfig) -> StageState:
    """The state right after `FROM image`: its config, less its ONBUILD triggers, and with a PATH."""
    env = dict(split_env(item) for item in image.config.env)
    config = image.config._replace(on_build=())
    if "PATH" not in env and image.os != _WINDOWS:
        env["PATH"] = DEFAULT_PATH
        config = config._replace(env=(*config.env, f"PATH={DEFAULT_PATH}"))
    if config.working_dir:
        config = config._replace(working_dir=join_path("/", config.working_dir))
    return StageState(
        scope, image._replace(config=config), env, history=image.history, diff_ids=image.diff_ids
    )


def from_stage(parent: StageState) -> StageState:
    """The state right after `FROM stage`: its ARGs are in scope too; its ONBUILD and its CMD mark are not."""
    return parent.with_config(parent.config._replace(on_build=()))._replace(cmd_set=False)


def finish(
    state: StageState, platform: Platform | None = None, labels: Mapping[str, str] | None = None
) -> ImageConfig:
    """The config of the image that a stage ends as. Its times follow from those of its layers alone.

    `platform` is the one that was asked for, None when the image is for its base's; `labels` go over its own.
    """
    if platform is not None:
        state = state._replace(image=_for_platform(state.image, platform))
    if labels:
        state = state.with_config(state.config._replace(labels={**state.config.labels, **labels}))
    inherited = len(state.image.history)
    times = fill_times([line.created for line in state.history])[inherited:]
    epoch = state.scope.epoch
    fallback = state.image.created if epoch is None else rfc3339(epoch)
    if epoch is not None:
        times = [fallback] * len(times)
    added = [
        line._replace(created=time or fallback)
        for line, time in zip(state.history[inherited:], times, strict=True)
    ]
    created = added[-1].created if added else state.image.created
    history = (*state.history[:inherited], *added)
    return state.image._replace(rootfs=RootFS(state.diff_ids), history=history, created=created)


def _for_platform(image: ImageConfig, platform: Platform) -> ImageConfig:
    """The config with a platform; what that does not say stays, where system and architecture do."""
    same = (image.os, image.architecture) == platform[:2]
    return image._replace(
        os=platform.os,
        architecture=platform.architecture,
        variant=platform.variant or (image.variant if same else ""),
        os_version=platform.os_version or (image.os_version if same else ""),
    )


def split_env(item: str) -> tuple[str, str]:
    """The name and the value of `NAME=value`."""
    name, _, value = item.partition("=")
    return name, value


def join_path(folder: str, path: str) -> str:
    """`path` from `folder`, absolute, without `.`, `..` and doubled slashes; `..` stops at the root."""
    parts: list[str] = []
    for part in f"{'' if path.startswith('/') else folder}/{path}".split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)

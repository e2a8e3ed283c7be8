"""The checks of FROM: its arguments, its platform, and what it names when no --build-arg is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.dockerfile.lint import rules
from lamina.dockerfile.source import quote
from lamina.dockerfile.suggest import closest
from lamina.errors import InvalidInput
from lamina.graph.lint.scan import expanded, global_args, undefined
from lamina.oci import platform as platforms
from lamina.oci import reference

if TYPE_CHECKING:
    from lamina.dockerfile.lint.linter import Linter
    from lamina.graph.lint.scan import Scene, Scenes

_TARGET = "TARGETPLATFORM"


def check_bases(linter: Linter, scenes: Scenes) -> None:
    """All checks of this file; they hold for every stage, built or not."""
    defaults, _ = global_args(scenes.dockerfile, {}, scenes.own)
    for scene in scenes.stages:
        _undefined(linter, scenes, scene)
        if scene.source.platform is not None:
            _platform(linter, scenes, scene)
        image = scene.source.image
        if not _names_an_image(expanded(image, defaults, scenes.dockerfile.escape)):
            message = f"Default value for ARG {image} results in empty or invalid base image name"
            linter.warn(rules.INVALID_DEFAULT_ARG_IN_FROM, scene.source, message, at=image)


def _undefined(linter: Linter, scenes: Scenes, scene: Scene) -> None:
    missing: set[str] = set()
    for text in (scene.source.image, scene.source.platform or ""):
        missing |= undefined(text, scenes.args, scenes.dockerfile.escape)[1]
    for name in sorted(missing - scenes.declared):
        near = closest(name, sorted(scenes.declared))
        message = f"FROM argument '{name}' is not declared" + (f" (did you mean {near}?)" if near else "")
        linter.warn(rules.UNDEFINED_ARG_IN_FROM, scene.source, message, at=f"${{{name}}}")


def _platform(linter: Linter, scenes: Scenes, scene: Scene) -> None:
    text = scene.source.platform or ""
    if text.strip("\"'") in (f"${_TARGET}", f"${{{_TARGET}}}"):
        if scenes.args.get(_TARGET) == scenes.own.get(_TARGET):
            message = (
                f"Setting platform to predefined {text} in FROM is redundant as this is the default behavior"
            )
            linter.warn(rules.REDUNDANT_TARGET_PLATFORM, scene.source, message, at="--platform")
        return
    if "$" in text:
        return
    try:
        platform = platforms.parse(text)
    except InvalidInput:
        return  # the build says so
    if platform.os not in scene.name and platform.architecture not in scene.name:
        message = f"FROM --platform flag should not use constant value {quote(text)}"
        linter.warn(rules.FROM_PLATFORM_FLAG_CONST_DISALLOWED, scene.source, message, at="--platform")


def _names_an_image(text: str) -> bool:
    try:
        reference.parse(text)
    except InvalidInput:
        return False
    return True

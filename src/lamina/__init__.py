"""Lamina: a container image engine in which layers are the thing you work with.

with lamina.Engine.open() as engine:
    engine.build(lamina.BuildRequest.of_folder("app", tags=("app",)))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.build.given import CacheFrom as CacheFrom
    from lamina.build.given import CacheTo as CacheTo
    from lamina.build.request import BuildRequest as BuildRequest
    from lamina.build.request import BuildResult as BuildResult
    from lamina.containers.request import RunRequest as RunRequest
    from lamina.containers.request import RunResult as RunResult
    from lamina.containers.stdio import Stdio as Stdio
    from lamina.engine.bisecting import BisectQuery as BisectQuery
    from lamina.engine.editing import FileEdit as FileEdit
    from lamina.engine.engine import Engine as Engine
    from lamina.engine.files import ImagePath as ImagePath
    from lamina.engine.operating import Target as Target
    from lamina.engine.pushing import PushRequest as PushRequest
    from lamina.engine.steps import StepRef as StepRef
    from lamina.errors import LaminaError as LaminaError
    from lamina.serving.settings import ServeSettings as ServeSettings
    from lamina.surgery.edit import ConfigEdit as ConfigEdit
    from lamina.transfer.drafts import IndexChanges as IndexChanges

__version__ = "0.1.0"
__all__ = [
    "BisectQuery",
    "BuildRequest",
    "BuildResult",
    "CacheFrom",
    "CacheTo",
    "ConfigEdit",
    "Engine",
    "FileEdit",
    "ImagePath",
    "IndexChanges",
    "LaminaError",
    "PushRequest",
    "RunRequest",
    "RunResult",
    "ServeSettings",
    "Stdio",
    "StepRef",
    "Target",
    "__version__",
]

_HOMES = {
    "BisectQuery": "lamina.engine.bisecting",
    "BuildRequest": "lamina.build.request",
    "BuildResult": "lamina.build.request",
    "CacheFrom": "lamina.build.given",
    "CacheTo": "lamina.build.given",
    "ConfigEdit": "lamina.surgery.edit",
    "Engine": "lamina.engine.engine",
    "FileEdit": "lamina.engine.editing",
    "ImagePath": "lamina.engine.files",
    "IndexChanges": "lamina.transfer.drafts",
    "LaminaError": "lamina.errors",
    "PushRequest": "lamina.engine.pushing",
    "RunRequest": "lamina.containers.request",
    "RunResult": "lamina.containers.request",
    "ServeSettings": "lamina.serving.settings",
    "StepRef": "lamina.engine.steps",
    "Stdio": "lamina.containers.stdio",
    "Target": "lamina.engine.operating",
}


def __getattr__(name: str) -> object:
    """Loads a public name when it is first used: `import lamina` alone costs next to nothing."""
    if name not in _HOMES:
        raise AttributeError(f"module 'lamina' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)

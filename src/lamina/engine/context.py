"""ContextQuestions: what can be asked of a build context, as `engine.context`. The store is not touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lamina.build.contextview import ContextList, Verdict


class ContextQuestions:
    """Of a folder of this machine; `file` is a Dockerfile that may have FILE.dockerignore beside it."""

    def ls(self, folder: str = ".", *, file: str | None = None) -> ContextList:
        """All that COPY sees, less what .dockerignore leaves out. NotFound, InvalidInput, Denied."""
        from lamina.build.contextview import list_context

        return list_context(folder, file)

    def why(self, paths: Sequence[str], folder: str = ".", *, file: str | None = None) -> list[Verdict]:
        """Whether each path is in the context, and the line that decides. NotFound, InvalidInput, Denied."""
        from lamina.build.contextview import explain_paths

        return explain_paths(folder, list(paths), file)

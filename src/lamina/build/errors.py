"""How a build fails: BuildFailed for a RUN that ended badly, Swept when the store changed under it."""

from __future__ import annotations

from lamina.errors import Conflict, ProcessFailed


class Swept(Conflict):
    """Another process removed what the cache had just promised; the build can begin again."""

    def __init__(self) -> None:
        super().__init__("a layer that the build needs was just removed", hint="build again")


class BuildFailed(ProcessFailed):
    """The process of a RUN ended with `status`. `line` counts from 1; `output` is the end of what it wrote.

    `detail` says why it did not even begin, if it did not; `advice` goes before what the status tells.
    """

    def __init__(
        self,
        file: str,
        line: int,
        text: str,
        status: int,
        output: bytes = b"",
        detail: str = "",
        advice: str = "",
    ) -> None:
        why = f"{detail} (exit code: {status})" if detail else f"exit code: {status}"
        self._advice = advice or _hint(status)
        super().__init__(f"{file}:{line}: {text}: did not complete: {why}", status, hint=self._advice)
        self.detail = detail
        self.build_id, self.step = "", 0  # where the step is kept, once it is
        self.file = file
        self.line = line
        self.text = text
        self.output = output

    def stays(self, build_id: str, step: int) -> BuildFailed:
        """The same error, once what the step changed is kept: its hint says how to look at it."""
        self.build_id, self.step = build_id, step
        look = f"`lamina run --failed -it` starts a shell in what it left (step {step} of build {build_id})"
        self.hint = f"{self._advice}; {look}" if self._advice else look
        return self


def _hint(status: int) -> str | None:
    """What the usual statuses mean."""
    if status == 127:
        return "127 mostly means that a command was not found in the image"
    if status == 126:
        return "126 mostly means that a command is there and cannot be executed"
    if status == 137:
        return "137 means killed: maybe the machine ran out of memory"
    return None

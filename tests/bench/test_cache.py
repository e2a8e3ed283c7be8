"""What `python -m bench cache` counts: the outputs of the builders, and the edits themselves."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.cache.edits import EDITS, EXAMPLES, Edit
from bench.cache.outputs import Step, buildah, buildkit, label
from bench.cache.rows import Built, Row, copy_of

BUILDKIT = """\
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#4 [build 1/3] FROM docker.io/library/debian
#4 DONE 0.0s

#6 [build 2/3] WORKDIR /app
#6 CACHED

#7 [build 3/3] RUN apt-get update && apt-get install -y --no-install-recommends gcc make
#7 0.299 #6 CACHED
#7 DONE 0.9s

#8 [stage-1 2/2] COPY --from=build /a /b
#8 CACHED (independent)
"""

BUILDAH = """\
[1/2] STEP 1/4: FROM debian AS build
[1/2] STEP 2/4: WORKDIR /app
--> Using cache 55aa2e6c294a
--> 55aa2e6c294
[1/2] STEP 3/4: COPY . .
--> 2bba91ec9d7
[1/2] STEP 4/4: ENV A=1
--> Using cache 66aa2e6c294a
[2/2] STEP 1/2: FROM debian
[2/2] STEP 2/2: RUN make
"""


def test_what_buildkit_and_lamina_print() -> None:
    assert buildkit(BUILDKIT) == [
        Step("WORKDIR /app", "cached"),
        Step("RUN apt-get gcc", ""),
        Step("COPY --from=build", "independent"),
    ]


def test_what_buildah_prints() -> None:
    assert buildah(BUILDAH) == [Step("WORKDIR /app", "cached"), Step("COPY .", ""), Step("RUN make", "")]


def test_a_step_that_should_not_have_run_and_one_that_should_are_told() -> None:
    edit = Edit("flask", "app.py is edited", lambda p: None, ("COPY .",))
    right = Row(edit, {"lamina": Built((Step("COPY .", ""), Step("RUN pip", "untouched")), 0.1)})
    assert right.wrong("lamina") == ""
    wrong = Row(edit, {"lamina": Built((Step("COPY .", "cached"), Step("RUN pip", "")), 0.1)})
    assert wrong.wrong("lamina") == (
        "flask: app.py is edited: ran RUN pip, which saw no difference; reused COPY ., which saw a difference"
    )


@pytest.mark.parametrize("edit", [*EDITS, *EXAMPLES], ids=lambda edit: f"{edit.project}: {edit.name}")
def test_each_edit_changes_its_project_and_names_steps_that_are_there(edit: Edit, tmp_path: Path) -> None:
    before = copy_of(edit.project, str(tmp_path / "before"))
    after = copy_of(edit.project, str(tmp_path / "after"))
    edit.change(after)
    assert _state(Path(before.folder)) != _state(Path(after.folder))
    lines = (tmp_path / "after/Dockerfile").read_text().splitlines()
    steps = {label(line) for line in lines if line.startswith(("RUN", "COPY", "WORKDIR"))}
    assert set(edit.saw) <= steps


def _state(folder: Path) -> dict[str, tuple[bytes, int, bool]]:
    """Content, mode, and whether it is old, of each file."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime < 1.6e9)
        for path in folder.rglob("*")
        if path.is_file()
    }

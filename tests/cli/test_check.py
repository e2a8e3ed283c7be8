"""`lamina build --check` and `--call`, as they are run; and the warnings of builds."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lamina.build.request import BuildRequest
from lamina.engine.engine import Engine
from tests.e2e.lamina_command import REPOSITORY

if TYPE_CHECKING:
    from tests.e2e.lamina_command import Lamina

BAD = "FROM busybox\nCMD echo hi\nENV a b\n"
ARGS_URL = "https://docs.docker.com/go/dockerfile/rule/json-args-recommended/"
ARGS = "JSON arguments recommended for CMD to prevent unintended behavior related to OS signals"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty context."""
    made = tmp_path / "checked"
    made.mkdir()
    return made


def write(folder: Path, text: str) -> Path:
    (folder / "Dockerfile").write_text(text)
    return folder


def items(program: Lamina, folder: Path, *args: str, status: int = 1) -> list[tuple[str, int]]:
    """Rules and lines of --format json."""
    found = json.loads(program("build", "--check", "--format", "json", *args, folder, status=status))
    return [(item["rule"], item["line"]) for item in found]


def test_check_prints_each_warning_with_its_place(program: Lamina, folder: Path) -> None:
    out = program("build", "--check", write(folder, BAD), status=1)
    assert out == (
        "Check complete, 2 warnings have been found!\n\n"
        f"WARNING: JSONArgsRecommended - {ARGS_URL}\n{ARGS}\n"
        "Dockerfile:2\n--------------------\n"
        "   1 |     FROM busybox\n   2 | >>> CMD echo hi\n   3 |     ENV a b\n--------------------\n\n"
        "WARNING: LegacyKeyValueFormat - https://docs.docker.com/go/dockerfile/rule/legacy-key-value-format/\n"
        '"ENV key=value" should be used instead of legacy "ENV key value" format\n'
        "Dockerfile:3\n--------------------\n"
        "   1 |     FROM busybox\n   2 |     CMD echo hi\n   3 | >>> ENV a b\n--------------------\n"
    )


def test_check_of_a_good_dockerfile(program: Lamina, folder: Path) -> None:
    out, err = program.both("build", "--check", write(folder, 'FROM busybox\nCMD ["a"]\n'))
    assert (out, err) == ("Check complete, no warnings found.\n", "")
    one = program("build", "--call=check", write(folder, "FROM busybox\nCMD a\n"), status=1)
    assert one.startswith("Check complete, 1 warning has been found!\n")


def test_check_as_json(program: Lamina, folder: Path) -> None:
    out = program("build", "--check", "--format=json", write(folder, BAD), status=1)
    assert json.loads(out)[0] == {
        "rule": "JSONArgsRecommended",
        "file": "Dockerfile",
        "line": 2,
        "column": 1,
        "end_line": 2,
        "message": ARGS,
        "url": ARGS_URL,
        "severity": "warning",
    }
    assert json.loads(program("build", "--check", "--format=json", write(folder, "FROM busybox\n"))) == []


def test_call_lint_as_buildx_has_it_in_json(program: Lamina, folder: Path) -> None:
    out = program("build", "--call=lint,format=json", write(folder, BAD), status=1)
    found = json.loads(out)
    assert found["warnings"][0]["ruleName"] == "JSONArgsRecommended"
    assert found["warnings"][0]["detail"] == ARGS
    assert found["warnings"][0]["location"] == {"ranges": [{"start": {"line": 2}, "end": {"line": 2}}]}
    assert base64.b64decode(found["sources"][0]["data"]).decode() == BAD
    program("build", "--call=check,format=json,ignorestatus=true", folder)


def test_check_runs_and_stores_nothing(tmp_path: Path, folder: Path) -> None:
    with Engine.open(str(tmp_path / "root")) as engine:
        text = b"FROM busybox\nRUN apk add x\n"
        assert len(engine.checks.report(BuildRequest(str(folder), text)).warnings) == 1
    assert not (tmp_path / "root").exists()


def test_check_tells_why_a_dockerfile_cannot_be_built(program: Lamina, folder: Path) -> None:
    write(folder, "FROM scratch AS BadName\nMAINTAINER me\nBADCMD\n")
    out, err = program.both("build", "--check", folder, status=1)
    assert out.startswith("Check complete, 2 warnings have been found!\n")
    assert "Dockerfile:3:1: unknown instruction: BADCMD" in err
    found = json.loads(program("build", "--call=check,format=json", folder, status=1))
    assert found["buildError"] == {
        "message": "unknown instruction: BADCMD",
        "location": {"ranges": [{"start": {"line": 3}, "end": {"line": 3}}]},
    }
    _, err = program.both("build", "--check", write(folder, "BADCMD\n"), status=1)
    assert "unknown instruction" in err


def test_check_of_one_target_looks_at_what_it_needs(program: Lamina, folder: Path) -> None:
    write(folder, "FROM busybox AS a\nCMD a\n\nFROM busybox AS b\nCMD b\n\nFROM a\nCMD c\n")
    assert items(program, folder) == [("JSONArgsRecommended", line) for line in (2, 5, 8)]
    assert items(program, folder, "--target=b") == [("JSONArgsRecommended", 5)]
    _, err = program.both("build", "--check", "--target=nowhere", folder, status=1)
    assert 'target stage "nowhere" could not be found' in err


def test_base_images_of_the_store_define_variables(program: Lamina, folder: Path) -> None:
    program("build", "-qt", "with-var", write(folder, 'FROM busybox\nENV lower=1\nSHELL ["/bin/sh", "-c"]\n'))
    assert items(program, write(folder, "FROM with-var\nCOPY $lower .\nCMD x\n"), status=0) == []
    assert items(program, write(folder, "FROM busybox\nCOPY $lower .\n")) == [("UndefinedVar", 2)]


def test_copy_of_an_ignored_file_is_found_where_it_is_asked_for(program: Lamina, folder: Path) -> None:
    (folder / ".dockerignore").write_text("secret\n")
    (folder / "secret").write_text("x")
    write(folder, "# check=experimental=CopyIgnoredFile\nFROM busybox\nCOPY secret /\n")
    assert items(program, folder) == [("CopyIgnoredFile", 3)]
    (folder / "Dockerfile.dockerignore").write_text("other\n")
    assert items(program, folder, status=0) == []
    write(folder, "FROM busybox\nCOPY secret /\n")
    (folder / "Dockerfile.dockerignore").unlink()
    assert items(program, folder, status=0) == []


def test_malformed_options_fail_every_build(program: Lamina, folder: Path) -> None:
    write(folder, "# check=nonsense\nFROM busybox\n")
    for args in (["--check"], []):
        _, err = program.both("build", *args, folder, status=1)
        assert 'failed to parse check options: invalid check option "nonsense"' in err
    write(folder, "# a comment\n# check=nonsense\nFROM busybox\n")
    program("build", folder)


def test_error_true_fails_a_build_before_anything_runs(program: Lamina, folder: Path) -> None:
    write(folder, "# check=error=true\nFROM busybox as b\nRUN echo was-run\n")
    _, err = program.both("build", "--progress=plain", folder, status=1)
    assert "lint violation found for rules: FromAsCasing" in err
    assert " - FromAsCasing: 'as' and 'FROM' keywords' casing do not match (line 2)\n" in err
    assert "was-run" not in err
    _, err = program.both("build", "--check", folder, status=1)
    assert "lint violation found for rules: FromAsCasing" in err
    program("build", "--build-arg=BUILDKIT_DOCKERFILE_CHECK=skip=all", folder)
    write(folder, "FROM busybox as b\n")
    argument = "--build-arg=BUILDKIT_DOCKERFILE_CHECK=error=true"
    assert "lint violation" in program.both("build", argument, folder, status=1)[1]


def test_rules_of_ours_and_stages_that_are_not_needed_fail_no_build(program: Lamina, folder: Path) -> None:
    text = "# check=error=true\nFROM busybox AS other\nCMD a\n\nFROM busybox\nRUN apk add x || true\n"
    found = items(program, write(folder, text))
    assert found == [("JSONArgsRecommended", 3), ("PackageCacheLeftBehind", 6)]
    program("build", folder)
    assert items(program, folder) == [("JSONArgsRecommended", 3)]  # the layer has no cache in it


def test_a_build_that_ran_something_ends_with_its_warnings(program: Lamina, folder: Path) -> None:
    write(folder, f"FROM busybox\nRUN echo {folder}\nCMD echo hi\n")
    err = program.build(folder)
    head = "\n 1 warning found (use lamina --debug to expand):\n"
    assert err.endswith(f"{head} - JSONArgsRecommended: {ARGS} (line 3)\n")
    assert "warning" not in program.build(folder)  # from the cache
    write(folder, f"FROM busybox\nRUN echo {folder} 2\nCMD echo hi\nENV a b\n")
    _, err = program.both("--debug", "build", "--progress=plain", folder)
    assert "\n 2 warnings found:\n" in err
    assert f"More info: {ARGS_URL}\nDockerfile:3\n" in err
    write(folder, f"FROM busybox\nRUN echo {folder} 3\nCMD echo hi\n")
    assert program.both("build", "--quiet", folder)[1] == ""


def test_a_build_that_failed_ends_with_its_warnings_too(program: Lamina, folder: Path) -> None:
    err = program.build(write(folder, "FROM busybox\nCMD echo hi\nRUN false\n"), status=1)
    assert f" - JSONArgsRecommended: {ARGS} (line 2)\n" in err


def packed(folder: Path) -> bytes:
    """A context as an archive."""
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.add(folder / "Dockerfile", "Dockerfile")
        return stream.getvalue()


def test_a_context_from_elsewhere_is_checked_like_a_folder(program: Lamina, folder: Path) -> None:
    archive = packed(write(folder, f"FROM busybox\nRUN echo {folder} tar\nCMD echo hi\n"))
    out = program("build", "--check", "-", stdin=archive, status=1)
    assert "Dockerfile:3\n" in out and "3 | >>> CMD echo hi" in out
    assert program("build", "--call=targets", "-", stdin=archive).endswith("(default)\n")
    _, err = program.both("build", "--progress=plain", "-", stdin=archive)
    assert f" - JSONArgsRecommended: {ARGS} (line 3)\n" in err
    archive = packed(write(folder, "# check=error=true\nFROM busybox\nCMD x\nRUN echo was-run\n"))
    _, err = program.both("build", "-", stdin=archive, status=1)
    assert "lint violation found for rules: JSONArgsRecommended" in err
    assert "was-run" not in err


@pytest.mark.parametrize("first", ["#", "# check=skip=JSONArgsRecommended"])
def test_a_build_from_the_cache_loads_no_check(program: Lamina, folder: Path, first: str) -> None:
    write(folder, f"{first}\nFROM busybox\nRUN true\nCMD echo hi\n")
    program("build", folder)
    _, err = program.both("build", "--progress=plain", folder, PYTHONPROFILEIMPORTTIME="1")
    assert "lamina.build.stagerun" in err  # the list of modules is there
    loaded = {line.split("|")[-1].strip() for line in err.splitlines() if line.startswith("import time:")}
    checks = {name for name in loaded if ".lint" in name or name.endswith((".checking", "commands.check"))}
    allowed = {"lamina.dockerfile.lint", "lamina.dockerfile.lint.options"} if "check" in first else set()
    assert checks == allowed


@pytest.mark.parametrize("change", ["chown -R 1:1", "chmod -R 700"])
def test_layers_of_the_last_build_are_measured(program: Lamina, folder: Path, change: str) -> None:
    if change.startswith("chown") and program.one_id:
        pytest.skip("needs more than one ID: with one, a chown stores nothing")
    (folder / "big").write_bytes(b"x" * 300_000)
    (folder / "small").write_bytes(b"x" * 100)
    write(
        folder,
        "FROM busybox\nCOPY big /data/big\nCOPY small /small\n"
        f"RUN {change} /data\nRUN {change} /small\nRUN rm -rf /data\n",
    )
    before = json.loads(program("build", "--check", "--format=json", folder, status=1))
    assert [(item["rule"], item["line"]) for item in before] == [
        ("OwnershipChangeCopiesFiles", 4),
        ("OwnershipChangeCopiesFiles", 5),
        ("DeletedInLaterLayer", 6),
    ]
    assert "the files in /data" in before[0]["message"]
    program("build", folder)
    after = json.loads(program("build", "--check", "--format=json", folder, status=1))
    assert [(item["rule"], item["line"]) for item in after] == [
        ("OwnershipChangeCopiesFiles", 4),
        ("DeletedInLaterLayer", 6),
    ]
    assert after[0]["message"].startswith(f"{change[:8]} stores 300kB (/data/big) a second time")
    assert after[1]["message"].startswith("this step deletes 600kB (2 files, /data/big the largest)")
    assert {item["severity"] for item in after} == {"info"}


def test_a_file_that_changes_often_before_a_slow_step(program: Lamina, folder: Path) -> None:
    text = "FROM busybox\nCOPY page /page\nRUN sleep 1; echo same > /made\n"
    for version in "123":
        (write(folder, text) / "page").write_text(version)
        program("build", folder)
    (item,) = json.loads(program("build", "--check", "--format=json", folder, status=1))
    assert (item["rule"], item["line"]) == ("ChangingFileBeforeSlowStep", 2)
    assert item["message"].startswith("page changed 2 times, and each time line 3 ran again (1.")
    assert (
        items(
            program,
            write(folder, "FROM busybox\nRUN sleep 1; echo same > /made\nCOPY page /page\n"),
            status=0,
        )
        == []
    )


OUTLINE = (
    "# VERSION of the program\nARG VERSION=1\n\n# build makes it\nFROM busybox AS build\nARG VERSION\n"
    "ARG MODE=fast\nRUN --mount=type=secret,id=key,required=true true\nRUN --mount=type=ssh true\n\n"
    "FROM scratch\nCOPY --from=build /x /x\n"
)


def test_call_targets(program: Lamina, folder: Path) -> None:
    write(folder, OUTLINE)
    assert program("build", "--call=targets", folder) == (
        "TARGET      DESCRIPTION\nbuild       makes it\n(default)\n"
    )
    found = json.loads(program("build", "--call=targets,format=json", folder))
    assert found["targets"][0]["description"] == "makes it"
    assert found["targets"][0]["base"] == "busybox"
    assert found["targets"][1]["default"] is True


def test_call_outline(program: Lamina, folder: Path) -> None:
    write(folder, OUTLINE)
    assert program("build", "--call=outline", "--target=build", "--build-arg=MODE=slow", folder) == (
        "TARGET:      build\nDESCRIPTION: makes it\n\n"
        "BUILD ARG   VALUE     DESCRIPTION\nVERSION     1         of the program\nMODE        slow\n\n"
        "SECRET    REQUIRED\nkey       true\n\nSSH       REQUIRED\ndefault\n\n"
    )
    found = json.loads(program("build", "--call", "outline", "--format", "json", folder))
    assert [arg["name"] for arg in found["args"]] == ["VERSION", "MODE"]
    assert found["secrets"] == [
        {
            "name": "key",
            "required": True,
            "location": {"ranges": [{"start": {"line": 8}, "end": {"line": 8}}]},
        }
    ]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--call=nothing"], "invalid --call method 'nothing'"),
        (["--format=json"], "lamina: --format needs --check or --call\nhint: "),
        (["--call=check,format=yaml"], "invalid --call field 'format=yaml'"),
        (["--check", "--format=xml"], "invalid --format 'xml'"),
        (["--call=outline", "--target=none"], 'target stage "none" could not be found'),
    ],
)
def test_what_cannot_be_asked(program: Lamina, folder: Path, args: list[str], message: str) -> None:
    _, err = program.both("build", *args, write(folder, "FROM busybox\n"), status=1)
    assert message in err


def test_check_false_and_call_build_build(program: Lamina, folder: Path) -> None:
    write(folder, "FROM busybox\nCMD a\n")
    for flag in ("--check=false", "--call=build"):
        assert program("build", "-q", flag, folder).startswith("sha256:")


@pytest.mark.parametrize(
    "name", sorted(path.parent.name for path in REPOSITORY.glob("examples/*/Dockerfile"))
)
def test_the_examples_are_clean(tmp_path: Path, name: str) -> None:
    place = REPOSITORY / "examples" / name
    shutil.copytree(place, tmp_path / "copy")
    with Engine.open(str(tmp_path / "root")) as engine:
        request = BuildRequest.of_folder(str(tmp_path / "copy"))
        report = engine.checks.report(request)
    assert ([warning.short() for warning in report.warnings], report.error) == ([], None)

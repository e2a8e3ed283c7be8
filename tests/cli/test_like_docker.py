"""What our commands print is what Docker's own client prints of the same facts."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING, cast

import pytest

from lamina.cli.main import find, run_verb
from lamina.cli.session import Session
from lamina.errors import LaminaError, NotFound
from lamina.insight.containers import ContainerSummary
from lamina.insight.history import HistoryItem
from lamina.insight.images import ImageSummary
from tests.cli.docker_client import DOCKER, Done, docker, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lamina.engine.engine import Engine

pytestmark = pytest.mark.skipif(not DOCKER, reason="Docker's client is not installed")

NOW = int(time.time())
APP, BARE, OTHER = (f"sha256:{pair * 32}" for pair in ("ab", "cd", "12"))
BOX = "ef" * 32
COMMAND = "/bin/sh -c 'while true; do sleep 1; done'"
LONG = "RUN /bin/sh -c echo hello world this is a very long line indeed yes"


def moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


INSPECTED: dict[str, object] = {
    "Id": APP,
    "RepoTags": ["app:latest"],
    "RepoDigests": [],
    "Parent": "",
    "Comment": "",
    "Created": moment(NOW - 3 * 86400),
    "DockerVersion": "",
    "Author": "",
    "Config": {
        "Env": ["PATH=/bin", "A=<1>"],
        "Cmd": ["sh"],
        "Labels": {"a.b": "c", "x": "1"},
        "WorkingDir": "/w",
    },
    "Architecture": "amd64",
    "Os": "linux",
    "Size": 1_240_000,
    "GraphDriver": {"Data": {"UpperDir": "/u"}, "Name": "overlay"},
    "RootFS": {"Type": "layers", "Layers": ["sha256:1", "sha256:2"]},
    "Metadata": {"LastTagTime": moment(NOW)},
}

ANSWERS: dict[str, object] = {
    "/images/json": [
        {
            "Id": APP,
            "RepoTags": ["app:latest"],  # Docker prints several names in any order
            "Created": NOW - 3 * 86400,
            "Size": 1_240_000,
            "SharedSize": -1,
            "Containers": -1,
        },
        {
            "Id": OTHER,
            "RepoTags": ["other/app:v1"],
            "Created": NOW - 4 * 86400,
            "Size": 999,
            "SharedSize": -1,
            "Containers": -1,
        },
        {
            "Id": BARE,
            "RepoTags": [],
            "Created": NOW - 100,
            "Size": 133_456_789,
            "SharedSize": -1,
            "Containers": -1,
        },
    ],
    "/images/app/history": [
        {"Id": APP, "Created": NOW - 3 * 86400, "CreatedBy": LONG, "Size": 1_240_000, "Comment": "by hand"},
        {"Id": "<missing>", "Created": NOW - 4 * 86400, "CreatedBy": 'CMD ["x"]', "Size": 0, "Comment": ""},
    ],
    "/containers/json": [
        {
            "Id": BOX,
            "Names": ["/happy_turing"],
            "Image": "app:latest",
            "ImageID": APP,
            "Command": COMMAND,
            "Created": NOW - 3600,
            "Ports": [],
            "Labels": {},
            "State": "running",
            "Status": "Up About an hour",
            "SizeRw": 12,
            "SizeRootFs": 1_240_012,
        }
    ],
    "/images/app/json": INSPECTED,
    "/info": {"Swarm": {}},
}


class Facts:
    """Stands where the Engine does, and knows what ANSWERS knows."""

    def images(self) -> list[ImageSummary]:
        kind = ("sha256:" + "0" * 64, "linux", "amd64", 1)
        return [
            ImageSummary(APP, ("app:latest",), moment(NOW - 3 * 86400), 1_240_000, *kind),
            ImageSummary(OTHER, ("other/app:v1",), moment(NOW - 4 * 86400), 999, *kind),
            ImageSummary(BARE, (), moment(NOW - 100), 133_456_789, *kind),
        ]

    def history(self, name: str, *, platform: str = "", counted: bool = True) -> list[HistoryItem]:
        return [
            HistoryItem(APP, moment(NOW - 3 * 86400), LONG, 1_240_000, "by hand", ("app:latest",), ""),
            HistoryItem("<missing>", moment(NOW - 4 * 86400), 'CMD ["x"]', 0, "", (), ""),
        ]

    def ps(self, *, all: bool, size: bool) -> list[ContainerSummary]:
        began = moment(NOW - 3600)
        return [
            ContainerSummary(
                BOX, "happy_turing", "app:latest", APP, COMMAND, "running", 0, began, began, "", 1_240_000,
                12 if size else None,
            )
        ]  # fmt: skip

    def inspect(self, name: str, kind: str | None, *, platform: str = "") -> dict[str, object]:
        if name != "app" or kind == "container":
            raise NotFound(f"No such {kind or 'object'}: {name}")
        return INSPECTED


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("docker"), ANSWERS) as address:
        yield address


def ours(capsys: pytest.CaptureFixture[str], *words: str) -> Done:
    session = Session(os.environ, engine=cast("Engine", Facts()))
    try:
        path, verb, rest = find(list(words))
        code = run_verb(session, path, verb, rest)
    except LaminaError as error:
        printed = capsys.readouterr()
        return Done(error.exit_code, printed.out, f"{error}\n")
    printed = capsys.readouterr()
    return Done(code, printed.out, printed.err)


@pytest.mark.parametrize(
    "words",
    [
        ["images"],
        ["image", "ls"],
        ["images", "-q"],
        ["images", "--no-trunc"],
        ["images", "--digests"],
        ["images", "--format", "{{.ID}} {{.Repository}}:{{.Tag}} {{.Size}}"],
        ["images", "--format", r"table {{.ID}}\t{{.Size}}\t{{.CreatedAt}}"],
        ["images", "--format", "{{.ID"],
        ["history", "app"],
        ["history", "-H=false", "app"],
        ["history", "--no-trunc", "app"],
        ["history", "-q", "app"],
        ["ps"],
        ["ps", "-s"],
        ["ps", "-q", "--no-trunc"],
        ["container", "ls", "--format", "{{.Names}}: {{.Status}} {{.Command}}"],
        ["ps", "--format", r"table {{.Names}}\t{{.Image}}"],
        ["inspect", "missing"],
        ["inspect", "-f", "{{.Config.Env}} {{json .Config.Labels}} {{.Id}}", "app"],
        ["inspect", "-f", "{{.Config.Labels.zz}}|{{.Config.Healthcheck}}|{{.Config.User}}|", "app"],
        ["inspect", "-f", "{{.Config.Volumes}}|{{.Config.Entrypoint}}|{{json .Config.Entrypoint}}", "app"],
        ["inspect", "-f", '{{index .Config.Labels "q"}}|{{len .Config.Env}}|{{.Config.Env | len}}', "app"],
        ["inspect", "-f", "{{range .RootFS.Layers}}{{println .}}{{end}}", "app"],
        ["inspect", "-f", "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}} {{end}}", "app"],
        ["inspect", "-f", '{{if .Config.Cmd}}y{{end}} {{printf "%q %s %v" .Id .Os .Config.Cmd}}', "app"],
        ["inspect", "-f", "{{upper .Os}} {{title .Os}} {{slice .Os 1 2}} {{eq .Os `linux`}}", "app"],
        ["inspect", "-f", "{{.Config", "app"],
        ["inspect", "-f", "{{foo .Config}}", "app"],
        ["inspect", "-f", "{{end}}", "app"],
        ["inspect", "-f", "{{}}", "app"],
        ["inspect", "-f", "{{if .Id}}x", "app"],
        ["images", "--nonsense"],
        ["tag", "a"],
        ["ps", "extra"],
    ],
    ids=" ".join,
)
def test_the_same_output(host: str, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    mine, theirs = ours(capsys, *words), docker(host, *words)
    assert (mine.code, mine.out) == (theirs.code, theirs.out)
    assert mine.err.splitlines()[:1] == [
        line.replace("docker", "lamina") for line in theirs.err.splitlines()[:1]
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["inspect", "app"],
        ["image", "inspect", "app"],
        ["inspect", "-f", "json", "app"],
        ["images", "--format", "json"],
        ["images", "--format", "{{json .}}"],
        ["history", "--format", "json", "app"],
        ["ps", "--format", "json"],
    ],
    ids=" ".join,
)
def test_the_same_json(host: str, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    mine, theirs = ours(capsys, *words), docker(host, *words)
    assert mine.code == theirs.code == 0
    assert _read(mine.out, theirs.out) == _read(theirs.out, theirs.out)


def _read(text: str, model: str) -> object:
    """JSON, or a list of its lines; of a line only what Docker has too, as we say more of some things."""
    if text.startswith("["):
        return json.loads(text)
    keys = json.loads(model.splitlines()[0]).keys() - {"Platform", "Size"}
    return [{key: json.loads(line)[key] for key in keys} for line in text.splitlines()]


@pytest.mark.parametrize(
    "words", [["inspect", "-f", "{{.Config.Foo}}", "app"], ["inspect", "-f", "{{.Id}}", "none"]]
)
def test_the_same_failures(host: str, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    mine, theirs = ours(capsys, *words), docker(host, *words)
    assert (mine.code, mine.out) == (theirs.code, theirs.out)
    assert mine.err.rpartition(": ")[2] == theirs.err.strip().rpartition(": ")[2] + "\n"

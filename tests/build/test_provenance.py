"""The provenance of a build: what BuildKit's predicate has, in both versions and both modes."""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from lamina.build.build import build
from lamina.build.given import Secret
from lamina.build.provenance import V02, V1, options, predicate
from lamina.build.request import BuildRequest
from lamina.db import imagedb
from lamina.errors import InvalidInput, Unsupported
from lamina.events import Event, StepStarted
from lamina.oci.platform import host

from .test_platforms import OTHER, add_both

if TYPE_CHECKING:
    from .kitchen import Kitchen

HOST = str(host(os.uname().machine))
PURL = f"pkg:docker/busybox@latest?platform={HOST.replace('/', '%2F')}"
DOCKERFILE = """FROM busybox AS tools
ARG TOKEN=none
RUN echo $TOKEN > /tool
FROM busybox
LABEL a=b
COPY page /page
COPY --from=tools /tool /tool
WORKDIR /srv
RUN --network=none true
"""


def of(kitchen: Kitchen, dockerfile: str = DOCKERFILE, mode: str = "max", **options: Any) -> dict[str, Any]:
    """The predicate of a build, once through JSON."""
    kitchen.write({"page": "content of the page"})
    result = kitchen.build(dockerfile, provenance=mode, **options)
    assert result.facts is not None
    made = predicate(kitchen.ctx, result.facts, "the-id", HOST, "1.2")
    assert made.type == (V02 if options.get("provenance_options", {}).get("version") == "v0.2" else V1)
    return json.loads(json.dumps(made.document))  # type: ignore[no-any-return]


def test_a_build_that_nobody_asked_for_it_notes_nothing(kitchen: Kitchen) -> None:
    assert kitchen.build("FROM busybox\nRUN true\n").facts is None


def test_the_frame(kitchen: Kitchen) -> None:
    made = of(kitchen, build_args={"TOKEN": "t"}, labels={"x": "y"}, target="1")
    definition, details = made["buildDefinition"], made["runDetails"]
    assert definition["buildType"].endswith("docs/attestations/slsa-definitions.md")
    assert definition["externalParameters"] == {
        "configSource": {"path": "Dockerfile"},
        "request": {
            "frontend": "dockerfile.v0",
            "args": {"build-arg:TOKEN": "t", "label:x": "y", "target": "1"},
            "locals": [{"name": "context"}, {"name": "dockerfile"}],
        },
    }
    assert definition["internalParameters"]["builderPlatform"] == HOST
    assert details["builder"] == {"id": "", "version": {"lamina": "1.2"}}
    metadata = details["metadata"]
    assert metadata["invocationId"] == "the-id"
    assert metadata["startedOn"] < metadata["finishedOn"]
    assert metadata["buildkit_completeness"] == {"request": True, "resolvedDependencies": False}
    assert metadata["buildkit_reproducible"] is False
    assert metadata["buildkit_hermetic"] is False


def test_base_images_are_dependencies_by_the_digest_of_their_manifest(kitchen: Kitchen) -> None:
    made = of(kitchen)
    image = kitchen.tag("docker.io/library/busybox:latest")
    assert image is not None
    manifest = imagedb.need_image(kitchen.db.read(), image).manifest
    assert made["buildDefinition"]["resolvedDependencies"] == [
        {"uri": PURL, "digest": {"sha256": manifest.removeprefix("sha256:")}}
    ]


def test_a_base_is_told_as_it_was_found(kitchen: Kitchen) -> None:
    """Its name may stand for something else, or for nothing, when the build is done."""
    busybox = kitchen.tag("docker.io/library/busybox:latest")
    assert busybox is not None
    base = imagedb.need_image(kitchen.db.read(), busybox).manifest

    def saw(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text.startswith("RUN"):
            with kitchen.db.write() as tx:
                imagedb.delete_tag(tx, "docker.io/library/busybox:latest")

    request = BuildRequest(None, b"FROM busybox\nRUN true\n", provenance="max")
    result = build(kitchen.ctx, request, host(os.uname().machine), saw, kitchen.enter, kitchen.tools)
    assert kitchen.tag("docker.io/library/busybox:latest") is None
    assert result.facts is not None
    assert [(image.name, image.digest) for image in result.facts.images] == [("busybox", base)]


def test_the_steps_and_their_inputs(kitchen: Kitchen) -> None:
    made = of(kitchen, build_args={"TOKEN": "t"})
    config = made["buildDefinition"]["internalParameters"]["buildConfig"]
    steps = {step["id"]: step for step in config["llbDefinition"]}
    for number, (name, step) in enumerate(steps.items()):
        assert name == f"step{number}"
        assert all(
            int(each.removeprefix("step").partition(":")[0]) < number for each in step.get("inputs", ())
        )
    assert config["llbDefinition"][-1]["op"] == {"Op": None}
    ops = [next(iter(step["op"]["Op"] or {"end": 0})) for step in steps.values()]
    assert ops == ["source", "exec", "source", "file", "file", "file", "exec", "end"]
    source, tool, local, page, copied, workdir, last, end = steps.values()
    assert source["op"]["Op"]["source"]["identifier"].startswith("docker-image://busybox@sha256:")
    assert local["op"]["Op"]["source"]["identifier"] == "local://context"
    assert tool["inputs"] == ["step0:0"]
    assert page["inputs"] == ["step0:0", "step2:0"]
    assert copied["inputs"] == ["step3:0", "step1:0"]
    assert workdir["op"]["Op"]["file"]["actions"][0]["Action"]["mkdir"]["path"] == "/srv"
    assert end["inputs"] == ["step6:0"]
    assert tool["op"]["Op"]["exec"]["meta"]["args"] == ["/bin/sh", "-c", "echo $TOKEN > /tool"]
    assert "TOKEN=t" in tool["op"]["Op"]["exec"]["meta"]["env"]
    assert last["op"]["Op"]["exec"]["network"] == "NONE"
    assert config["digestMapping"][tool["lamina"]["key"]] == "step1"


def test_each_stage_has_its_own_platform(kitchen: Kitchen) -> None:
    add_both(kitchen, "both")
    made = of(kitchen, f"FROM --platform={OTHER} both AS x\nCOPY page /p\nFROM both\nCOPY --from=x /p /p\n")
    steps = made["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]
    found = [
        (next(iter(step["op"]["Op"])), step["op"]["platform"]["Architecture"])
        for step in steps
        if step["op"]["Op"]
    ]
    ours, theirs = host(os.uname().machine).architecture, OTHER.architecture
    assert found == [
        ("source", theirs),
        ("source", ours),  # the context
        ("file", theirs),
        ("source", ours),
        ("file", ours),
    ]
    sources = [
        step["op"]["Op"]["source"]["identifier"] for step in steps if "source" in (step["op"]["Op"] or {})
    ]
    assert all(source.startswith("docker-image://both") for source in (sources[0], sources[2]))


def test_steps_are_tied_to_lines_and_layers(kitchen: Kitchen) -> None:
    made = of(kitchen)
    told = made["runDetails"]["metadata"]["buildkit_metadata"]
    (info,) = told["source"]["infos"]
    assert base64.b64decode(info["data"]).decode() == DOCKERFILE
    ranges = told["source"]["locations"]["step1"]["locations"][0]["ranges"]
    assert ranges == [{"start": {"line": 3}, "end": {"line": 3}}]
    steps = made["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]
    (layers,) = told["layers"]["step6:0"]
    assert layers[-1]["digest"] == steps[6]["lamina"]["diffID"]
    assert len(layers) == 4


def test_a_cached_build_has_the_same_steps(kitchen: Kitchen) -> None:
    first, second = of(kitchen), of(kitchen)
    one, two = (
        made["buildDefinition"]["internalParameters"]["buildConfig"]["llbDefinition"]
        for made in (first, second)
    )
    was_cached = [[step["lamina"].pop("cached") for step in each if "lamina" in step] for each in (one, two)]
    assert was_cached == [[False] * 5, [True] * 5]
    for step in (*one, *two):
        step.get("lamina", {}).pop("key", None)  # COPY --from has a quick key beside that of its files
    assert one == two


def test_min_leaves_out_what_may_be_private(kitchen: Kitchen) -> None:
    secret = "very-private-value"
    text = "FROM busybox\nARG TOKEN\nRUN --mount=type=secret,id=key echo $TOKEN\n"
    given = {
        "build_args": {"TOKEN": secret},
        "labels": {"l": secret},
        "secrets": (Secret("key", value=b"x"),),
    }
    made = of(kitchen, text, "min", **given)
    assert secret not in json.dumps(made)
    assert "key" not in made["buildDefinition"]["externalParameters"]["request"]
    assert "secrets" not in made["buildDefinition"]["externalParameters"]["request"]
    assert "buildConfig" not in made["buildDefinition"]["internalParameters"]
    assert made["runDetails"]["metadata"]["buildkit_metadata"] == {}
    assert made["runDetails"]["metadata"]["buildkit_completeness"]["request"] is False
    assert len(made["buildDefinition"]["resolvedDependencies"]) == 1


def test_secrets_appear_by_their_id_alone(kitchen: Kitchen) -> None:
    text = (
        "FROM busybox\n"
        "RUN --mount=type=secret,id=key,required --mount=type=secret,id=other,env=OTHER true\n"
        "RUN --mount=type=secret,id=key true\n"
    )
    secrets = (Secret("key", value=b"the-first-value"), Secret("other", value=b"the-second-value"))
    made = of(kitchen, text, secrets=secrets)
    assert made["buildDefinition"]["externalParameters"]["request"]["secrets"] == [
        {"id": "key"},
        {"id": "other", "optional": True},
    ]
    written = json.dumps(made)
    for value in ("the-first-value", "the-second-value"):
        assert value not in written
        assert base64.b64encode(value.encode()).decode().rstrip("=") not in written


def test_proxies_are_not_told(kitchen: Kitchen) -> None:
    proxy = "http://user:pass@proxy.invalid"
    made = of(kitchen, "FROM busybox\nRUN true\n", build_args={"HTTP_PROXY": proxy})
    assert "proxy.invalid" not in json.dumps(made)


def test_a_build_without_network_or_context_is_hermetic(kitchen: Kitchen) -> None:
    made = of(kitchen, "FROM busybox\nRUN --network=none true\n", context=None)
    metadata = made["runDetails"]["metadata"]
    request = made["buildDefinition"]["externalParameters"]["request"]
    assert request["locals"] == [{"name": "dockerfile"}]
    assert (
        metadata["buildkit_completeness"]["resolvedDependencies"] is False
    )  # the Dockerfile is a local file


def test_version_0_2(kitchen: Kitchen) -> None:
    chosen = {"version": "v0.2", "builder-id": "https://ci.example/1", "reproducible": "true"}
    made = of(kitchen, provenance_options=chosen)
    assert made["builder"] == {"id": "https://ci.example/1"}
    assert made["buildType"] == "https://mobyproject.org/buildkit@v1"
    assert made["invocation"]["configSource"] == {"entryPoint": "Dockerfile"}
    assert made["invocation"]["environment"] == {"platform": HOST}
    assert made["materials"][0]["uri"] == PURL
    assert made["metadata"]["completeness"] == {"parameters": True, "environment": True, "materials": False}
    assert made["metadata"]["reproducible"] is True
    assert made["buildConfig"]["llbDefinition"]
    assert "source" in made["metadata"]["https://mobyproject.org/buildkit@v1#metadata"]


def test_builder_id_and_reproducible(kitchen: Kitchen) -> None:
    chosen = {"builder-id": "https://ci.example/1", "reproducible": "true"}
    made = of(kitchen, "FROM busybox\n", provenance_options=chosen)
    assert made["runDetails"]["builder"]["id"] == "https://ci.example/1"
    assert made["runDetails"]["metadata"]["buildkit_reproducible"] is True


def test_options() -> None:
    assert options({}) == ("v1", "", False, False, "provenance.json")
    chosen = options({"inline-only": "true", "filename": "p.json"})
    assert (chosen.inline_only, chosen.filename) == (True, "p.json")


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ({"version": "v2"}, InvalidInput),
        ({"reproducible": "maybe"}, InvalidInput),
        ({"filename": "../x"}, InvalidInput),
        ({"filename": ""}, InvalidInput),
        ({"colour": "red"}, Unsupported),
    ],
)
def test_bad_options_are_refused(values: dict[str, str], kind: type[Exception]) -> None:
    with pytest.raises(kind):
        options(values)

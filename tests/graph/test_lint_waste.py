"""Lamina's own rules by the text, and what they say when the store knows more. docs/rules.md is run here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lamina.dockerfile import parse
from lamina.dockerfile.lint.linter import Linter
from lamina.dockerfile.lint.options import Options
from lamina.dockerfile.lint.rules import OWN_RULES
from lamina.graph.lint.facts import NOTHING, Amount, Change, Known, StepFacts, size_text
from lamina.graph.lint.scan import scan
from lamina.graph.lint.waste import check_waste

PAGE = (Path(__file__).resolve().parents[2] / "docs/rules.md").read_text()


def found(text: str, known: Known = NOTHING, target: int | None = None) -> list[tuple[str, int, str]]:
    """Rule, line and message of what our rules find."""
    dockerfile = parse(text.encode())
    linter = Linter(dockerfile, Options())
    scenes = scan(dockerfile, {}, {}, lambda _: None)
    check_waste(linter, scenes, target, known, lambda path: path == "folder")
    return [(warning.rule.name, warning.line, warning.message) for warning in linter.warnings]


def rules(text: str, known: Known = NOTHING, target: int | None = None) -> list[tuple[str, int]]:
    """Rule and line."""
    return [one[:2] for one in found(text, known, target)]


def example(rule: str, kind: str) -> str:
    """The Bad or Good example of a rule's section."""
    section = PAGE.split(f"\n## {rule}\n")[1].split("\n## ")[0]
    shown = re.search(rf"^{kind}:\n\n```dockerfile\n(.*?)```", section, re.DOTALL | re.MULTILINE)
    assert shown is not None
    return shown[1]


BY_TEXT = [rule.name for rule in OWN_RULES if rule.name != "ChangingFileBeforeSlowStep"]


@pytest.mark.parametrize("rule", BY_TEXT)
def test_the_documented_examples(rule: str) -> None:
    assert {name for name, _ in rules(example(rule, "Bad"))} == {rule}
    assert rules(example(rule, "Good")) == []


def test_every_rule_of_ours_has_a_section_at_its_url() -> None:
    for rule in OWN_RULES:
        assert rule.ours
        assert f"\n## {rule.name}\n" in PAGE
        assert rule.url == f"docs/rules.md#{rule.name.lower()}"


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("COPY app /app\nRUN chown -R 1 /app", True),
        ("COPY app /app/\nRUN chown -R 1 /app", True),
        ("COPY . /app\nRUN chmod --recursive go-w /app/x", True),
        ("WORKDIR /srv\nCOPY run.sh .\nRUN chmod +x run.sh", True),
        ("WORKDIR /srv\nCOPY a b ./\nRUN cd x && chmod +x ./b", True),
        ("ARG d=/x\nADD a.tar $d\nRUN chgrp -R 0 $d", True),
        ("COPY <<EOF /etc/conf\nx\nEOF\nRUN chmod 600 /etc/conf", True),
        ("RUN curl -o /x http://x\nRUN chmod +x /x", True),
        ("RUN curl -o /x http://x && chmod +x /x", False),
        ("RUN chmod +x /bin/sh", False),
        ("COPY app /app\nRUN chown 1 /app/data", False),
        ("COPY --from=y /app /app\nRUN chmod 755 /app", False),
        ("COPY folder /f\nRUN chmod 755 /f", False),
        ("COPY folder /f\nRUN chmod -R 755 /f", True),
        ("COPY app /app\nRUN mkdir /data && chown -R 1 /data", False),
        ("COPY app /app\nRUN --mount=type=cache,target=/app/c chown -R 1 /app/c", False),
        ("COPY app /app\nRUN echo chown -R 1 /app", False),
        ("COPY --chown=1 app /app\nRUN ls /app", False),
    ],
)
def test_owners_and_modes(text: str, hit: bool) -> None:
    names = [name for name, _ in rules(f"FROM x\n{text}\n")]
    assert names == ["OwnershipChangeCopiesFiles"] * hit


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("COPY a.tar /tmp/\nRUN tar xf /tmp/a.tar\nRUN rm /tmp/a.tar", True),
        ("COPY . /app\nRUN rm -rf /app/tests", True),
        ("COPY . /app\nRUN rm -rf /app/*", True),
        ("RUN wget -O /x.zip http://x\nRUN unzip /x.zip && rm /x.zip", True),
        ("RUN git clone http://x /src\nRUN make -C /src && rm -rf /src", True),
        ("RUN wget -O /x.zip http://x && rm /x.zip", False),
        ("COPY a /a\nRUN rm -rf /tmp/*", False),
        ("COPY a /tmp2\nRUN rm -rf /tmp", False),
        ("COPY . /app\nRUN --mount=type=tmpfs,target=/app/tmp rm -rf /app/tmp/x", False),
        ("COPY . /app\nRUN rm -f $NOTHING/", False),
    ],
)
def test_deletions(text: str, hit: bool) -> None:
    names = [name for name, _ in rules(f"FROM x\n{text}\n")]
    assert names == ["DeletedInLaterLayer"] * hit


@pytest.mark.parametrize(
    ("text", "hit"),
    [
        ("RUN apt-get update && apt-get install -y a", True),
        ("RUN apt-get update && apt-get install -y a && rm -rf /var/lib/apt/lists/*", False),
        ("RUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install a", False),
        ("RUN --mount=type=cache,target=/var/cache/apt apt-get update && apt-get install a", True),
        ("RUN --mount=type=tmpfs,target=/var/lib/apt/lists apt-get update", False),
        ("RUN apk add curl", True),
        ("RUN apk add --no-cache curl", False),
        ("RUN pip install x", True),
        ("ENV PIP_NO_CACHE_DIR=1\nRUN pip install x", False),
        ("ENV PIP_NO_CACHE_DIR=off\nRUN pip install x", True),
        ("RUN --mount=type=cache,target=/root/.cache pip install x", False),
        ("USER me\nRUN --mount=type=cache,target=/home/me/.cache/pip pip install x", False),
        ("RUN <<EOF\napt-get update\napt-get install -y a\nrm -rf /var/lib/apt/lists/*\nEOF", False),
        ("RUN <<EOF\napt-get update\napt-get install -y a\nEOF", True),
        ('RUN ["pip", "install", "x"]', True),
        ("RUN npm ci", True),
        ("RUN npm ci && npm cache clean --force", False),
        ("RUN yarn && yarn cache clean", False),
        ("RUN dnf install -y x && dnf clean all", False),
        ("RUN yum install -y x", True),
    ],
)
def test_package_caches(text: str, hit: bool) -> None:
    names = [name for name, _ in rules(f"FROM x\n{text}\n")]
    assert names == ["PackageCacheLeftBehind"] * hit


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("COPY . .\nRUN pip install --no-cache-dir -r requirements.txt", 2),
        ("COPY ./ /app/\nRUN go mod download", 2),
        ("ADD . /app\nRUN bundle install", 2),
        ("COPY . /app\nRUN make\nRUN apk add --no-cache curl", 2),
        ("COPY src .\nRUN go mod download", 0),
        ("COPY --from=a . .\nRUN go mod download", 0),
        ("COPY . .\nRUN pip install --no-cache-dir .", 0),
        ("COPY . .\nRUN go build ./...", 0),
        ("COPY go.mod .\nRUN go mod download\nCOPY . .\nRUN go mod download && go build", 0),
        ("COPY . .\nRUN --mount=type=cache,target=/root/go go mod download", 0),
        ("RUN go mod download\nCOPY . .", 0),
    ],
)
def test_the_whole_context_before_an_install(text: str, line: int) -> None:
    assert rules(f"FROM x\n{text}\n") == ([("ContextCopiedBeforeInstall", line)] if line else [])


def test_what_is_left_in_a_stage_that_is_not_shipped_costs_nothing() -> None:
    text = (
        "FROM x AS base\nRUN apk add a\n\nFROM base AS build\nRUN apk add b\n\n"
        "FROM y AS tools\nRUN apk add c\n\nFROM z\nRUN apk add d\n"
        "COPY --from=build /x /x\nRUN --mount=from=2,target=/t /t/x\n"
    )
    assert [line for _, line in rules(text)] == [11]
    assert [line for _, line in rules(text, target=1)] == [2, 5]
    unused = "FROM x AS other\nRUN apk add a\n\nFROM y\nRUN true\n"
    assert [line for _, line in rules(unused)] == [2]  # it may be built by its name


def test_what_the_store_knows_replaces_the_text() -> None:
    text = "FROM x\nCOPY a /a\nRUN apk add b\nRUN chown -R 1 /a && rm -rf /a/b\n"
    both = Known(steps={(0, 1): StepFacts(), (0, 2): StepFacts()})
    assert rules(text, both) == []
    small = StepFacts(copied=Amount(9_999, "/a/x", 1), left={"apk": Amount(1, "/var/cache/apk/x", 1)})
    assert rules(text, Known(steps={(0, 1): small, (0, 2): small})) == []
    known = Known(
        steps={
            (0, 1): StepFacts(left={"apk": Amount(2_500_000, "/var/cache/apk/i", 2)}),
            (0, 2): StepFacts(copied=Amount(48_700_000, "/a/x", 1), deleted=Amount(10_000, "/a/b/c", 3)),
        }
    )
    messages = {name: message for name, _, message in found(text, known)}
    assert messages["PackageCacheLeftBehind"].startswith(
        "apk leaves 2.5MB of its cache (2 files, /var/cache/apk/i the largest) in this layer: "
    )
    assert messages["OwnershipChangeCopiesFiles"].startswith("chown -R stores 48.7MB (/a/x) a second time: ")
    assert messages["DeletedInLaterLayer"].startswith(
        "this step deletes 10kB (3 files, /a/b/c the largest), which stays in an earlier layer: "
    )


def test_what_a_script_does_is_found_in_its_layer() -> None:
    facts = StepFacts(
        copied=Amount(20_000, "/a", 1), deleted=Amount(20_000, "/b", 1), left={"pip": Amount(20_000, "/c", 1)}
    )
    text = "FROM x\nRUN ./install.sh\n"
    assert rules(text) == []
    assert [name for name, _ in rules(text, Known(steps={(0, 0): facts}))] == [
        "OwnershipChangeCopiesFiles",
        "DeletedInLaterLayer",
        "PackageCacheLeftBehind",
    ]


def test_seconds_and_counts_are_named() -> None:
    text = "FROM x\nCOPY . .\nRUN npm ci --cache /tmp/c\n"
    known = Known(steps={(0, 1): StepFacts(seconds=31.24)})
    ((_, _, message),) = found(text, known)
    assert (
        "npm ci in line 3 run again (it took 31.2s): copy package.json and package-lock.json first" in message
    )
    text = "FROM x\nCOPY app.py .\nRUN slow\n"
    change = Change(4, ("app.py",), 1, 4, 12.3)
    ((name, line, message),) = found(text, Known(changes={(0, 0): change}))
    assert (name, line) == ("ChangingFileBeforeSlowStep", 2)
    assert message.startswith("app.py changed 3 times, and each time line 3 ran again (12.3s) ")


def test_a_comment_skips_a_rule_of_ours_for_one_instruction() -> None:
    text = "FROM x\n# check=skip=PackageCacheLeftBehind\nRUN apk add a\nRUN apk add b\n"
    assert rules(text) == [("PackageCacheLeftBehind", 4)]


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (999, "999B"), (1000, "1kB"), (12_345, "12.3kB"), (999_999, "1MB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert size_text(size) == text

"""Differential: BuildKit's own parser, as the PyPI package `dockerfile` has it (BuildKit 0.12)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.dockerfile import DockerfileError, parse, to_json

peer = pytest.importorskip("dockerfile", reason="the package `dockerfile` is not installed")
pytestmark = pytest.mark.peers

# Left out, because BuildKit has changed since: the escape character in flags, text after a JSON array.
WORDS = [
    "RUN a",
    "COPY a b",
    "ADD a /b",
    "ENV a=b",
    "ENV a b",
    "LABEL x=y",
    "ARG a",
    "CMD x",
    'CMD ["a", "b"]\n',
    "WORKDIR /",
    "ONBUILD RUN x",
    "HEALTHCHECK CMD x",
    "EXPOSE 1",
    "VOLUME /x",
    "USER u",
    "run  ",
    "\n",
    "\r\n",
    " ",
    "\t",
    "\\\n",
    "\\ \n",
    "\n\n",
    "# c\n",
    "  # c\n",
    "'",
    '"',
    "=",
    "\\",
    "`",
    " <<E\nx\nE\n",
    " <<-E\n\tx\n\tE\n",
    " <<'E'\n$x\nE\n",
    " 3<<E\nE\n",
    "<<",
    " c=d",
    " \u00e9",
    "$x",
    "${x:-y}",
    "\v",
    "\f",
    "\x1c",
]


def theirs(text: str) -> list[list[Any]]:
    return [
        [
            *(
                command.cmd.upper(),
                (command.sub_cmd or "").upper(),
                command.json,
                command.start_line,
                command.end_line,
            ),
            *(
                list(command.value),
                [(doc.name, doc.file_descriptor, doc.content) for doc in command.heredocs],
            ),
        ]
        for command in peer.parse_string(text)
    ]


def ours(text: str) -> list[list[Any]]:
    found: list[list[Any]] = []
    for outer in to_json(parse(text.encode())):
        item = outer["onbuild"] or outer
        args = item["args"]
        if item["instruction"] in ("ENV", "LABEL"):
            args = [arg for number, arg in enumerate(args) if number % 3 != 2]
        # The package shows the heredocs of ONBUILD nowhere.
        docs = (
            []
            if outer["onbuild"]
            else [(doc["name"], doc["fd"], doc["content"]) for doc in outer["heredocs"]]
        )
        inner = item["instruction"] if outer["onbuild"] else ""
        found.append(
            [outer["instruction"], inner, item["json"], outer["start_line"], outer["end_line"], args, docs]
        )
    return found


@given(st.lists(st.sampled_from(WORDS), max_size=12).map(lambda parts: "FROM a\n" + "".join(parts)))
def test_same_instructions(text: str) -> None:
    try:
        mine = ours(text)
    except DockerfileError:
        return  # we also refuse what BuildKit refuses only after parsing
    assert mine == theirs(text)

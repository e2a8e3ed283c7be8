"""Dockerfiles as text: parsing, variables, .dockerignore and wildcards. Pure: bytes in, values out."""

from __future__ import annotations

from lamina.dockerfile.dump import to_json
from lamina.dockerfile.expand import ExpandError, expand, expand_words
from lamina.dockerfile.heredoc import Heredoc
from lamina.dockerfile.ignore import IgnoreFile
from lamina.dockerfile.instructions import (
    Add,
    Arg,
    ArgPair,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    From,
    Healthcheck,
    Instruction,
    Label,
    Maintainer,
    Onbuild,
    Pair,
    Run,
    Shell,
    Stopsignal,
    User,
    Volume,
    Workdir,
)
from lamina.dockerfile.match import BadPattern, clean, has_wildcard, match
from lamina.dockerfile.parser import Dockerfile, parse, parse_trigger
from lamina.dockerfile.source import DockerfileError, SourceRange, locate

__all__ = [
    "Add",
    "Arg",
    "ArgPair",
    "BadPattern",
    "Cmd",
    "Copy",
    "Dockerfile",
    "DockerfileError",
    "Entrypoint",
    "Env",
    "ExpandError",
    "Expose",
    "From",
    "Healthcheck",
    "Heredoc",
    "IgnoreFile",
    "Instruction",
    "Label",
    "Maintainer",
    "Onbuild",
    "Pair",
    "Run",
    "Shell",
    "SourceRange",
    "Stopsignal",
    "User",
    "Volume",
    "Workdir",
    "clean",
    "expand",
    "expand_words",
    "has_wildcard",
    "locate",
    "match",
    "parse",
    "parse_trigger",
    "to_json",
]

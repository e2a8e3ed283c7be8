"""Names for containers that were given none: an adjective and someone who mattered to layers or files."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from lamina.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Container

_VALID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+")
_ADJECTIVES = """
able airy amber azure balmy blithe bold brave bright brisk calm candid clever cosy crisp daring deft eager
early even fair fine fleet fond frank fresh gentle glad golden grand happy hardy hazel honest humble keen
kind lively loyal lucid mellow merry mild modest neat nimble noble opal patient placid plucky polite proud
quick quiet ready rosy sage serene silver sleek snug solid spry steady still sunny swift tidy tranquil
true upbeat vivid warm wise witty young zesty
"""
_PEOPLE = """
agnesi babbage bartik bell boole borg cerf clarke codd curie dijkstra edison engelbart euler faraday
franklin galileo gauss goldberg hamilton hamming hertz hollerith hopper huffman hutton hypatia jacquard
johnson kepler knuth lamarr lamport leibniz liskov lovelace lyell mach mccarthy meitner mendel merkle
murdock naur newton noether pascal perlman planck ptolemy ritchie rivest shannon sinclair steno tarjan
thompson torvalds turing volta wegener wilkes wing wirth zuse
"""


def check(name: str) -> str:
    """`name` without its leading slash. InvalidInput, in Docker's words."""
    plain = name.removeprefix("/")
    if not _VALID.fullmatch(plain):
        raise InvalidInput(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return plain


def make_up(taken: Container[str]) -> str:
    """A name that is free; with a number once chance has failed a few times."""
    for _attempt in range(6):
        first, second = os.urandom(2)
        name = f"{_pick(_ADJECTIVES, first)}_{_pick(_PEOPLE, second)}"
        if name not in taken:
            return name
    number = 0
    while f"{name}{number}" in taken:
        number += 1
    return f"{name}{number}"


def _pick(words: str, number: int) -> str:
    """One of the words of a text."""
    among = words.split()
    return among[number % len(among)]

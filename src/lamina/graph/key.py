"""Cache keys: what a step depends on, as ordered, labelled ingredients whose difference can be printed."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

PARENT = "parent"  # the label of what lies below a step


class Ingredient(NamedTuple):
    """One part of what a step depends on, under a label that is unique in its key."""

    label: str
    value: str


class CacheKey(NamedTuple):
    """The name of what a step depends on. Equal digests mean that the step need not be done again.

    `listing` explains ingredients that are digests of many files: it is kept with the key so that
    a difference names the file, and does not count in the digest itself.
    """

    digest: str
    ingredients: tuple[Ingredient, ...]
    listing: tuple[Ingredient, ...] = ()


def cache_key(ingredients: Iterable[Ingredient], listing: Iterable[Ingredient] = ()) -> CacheKey:
    """Makes the key of `ingredients`; their order counts, so it must follow from the step alone."""
    parts = tuple(ingredients)
    text = json.dumps(parts, ensure_ascii=True, separators=(",", ":"))
    return CacheKey("sha256:" + hashlib.sha256(text.encode()).hexdigest(), parts, tuple(listing))


def recipe(key: CacheKey, *more: Ingredient) -> str:
    """Names the same step on whatever parent: a digest of all ingredients but that one, and of `more`."""
    parts = [part for part in key.ingredients if part.label != PARENT]
    return cache_key([*parts, *more]).digest

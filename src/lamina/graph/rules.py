"""The rules by which a step is reused, in the order in which they are tried."""

from __future__ import annotations

from lamina.events import EXACT as EXACT  # same key, on the same layers

SAME_CONTENT = "same-content"  # same key: the layers below are others, but hold the same content
INDEPENDENT = "independent"  # COPY, ADD, WORKDIR: all that they look at below is the same
UNTOUCHED = "untouched"  # RUN: all that it read below is the same
RULES = (EXACT, SAME_CONTENT, INDEPENDENT, UNTOUCHED)
VERIFY = "verify"  # --cache-rule: what independent and untouched would reuse is done, and compared

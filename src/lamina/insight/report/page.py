"""The report as one HTML page: all that it needs is in it, and it may ask no network for anything.

Names and texts come from anybody's image: the template escapes all of them, what cannot be printed is shown
as escapes, and a policy in the page lets nothing run but the one script whose digest it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from importlib import resources
from typing import TYPE_CHECKING

from lamina.graph.lint.facts import size_text
from lamina.insight.report.data import biggest, colours, packed
from lamina.insight.report.words import block, code, finding_words, instruction, percent, sentence, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lamina.insight.report.report import Report

_SCRIPTS = ("model.js", "squarify.js", "map.js", "folder.js", "search.js", "tables.js", "start.js")
_BIGGEST = 50


def page(report: Report, version: str = "") -> str:
    """The HTML, all of which UTF-8 can encode. `version` is the Lamina that made it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("lamina.insight.report", "assets"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "size": size_text,
        "shown": shown,
        "block": block,
        "instruction": instruction,
        "number": "{:,}".format,
        "percent": percent,
        "sentence": sentence,
        "code": code,
        "finding": finding_words,
    }
    style, script = _joined(["page.css"]), _joined(_SCRIPTS)
    return environment.get_template("page.html").render(
        report=report,
        colours=colours(report.layers),
        numbers={layer.diff_id: layer.number for layer in reversed(report.layers)},
        biggest=biggest(report.files, _BIGGEST),
        style=style,
        script=script,
        policy=f"default-src 'none'; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        data=_for_script(packed(report)),
        version=version,
    )


def _joined(names: Iterable[str]) -> str:
    folder = resources.files("lamina.insight.report") / "assets"
    return "\n".join((folder / name).read_text("utf-8") for name in names)


def _digest(text: str) -> str:
    """How a content security policy names a script or style that may be in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _for_script(value: object) -> str:
    """JSON in ASCII that cannot end the element it stands in."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")

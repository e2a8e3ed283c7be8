"""Texts of an image as the report shows them: on one line, with what cannot be printed as escapes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lamina.insight.waste import Finding


def shown(text: str) -> str:
    """A path or name; control characters, marks that turn text around and bytes not UTF-8 as escapes."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as os.fsdecode keeps it
        return f"\\x{code - 0xDC00:02x}"
    return ascii(char)[1:-1]


def instruction(text: str) -> str:
    """What made a layer, on one line; words where the image does not say."""
    return shown(" ".join(text.split())) or "(its history does not say)"


def block(text: str) -> str:
    """A text of several lines, shown as such."""
    return "\n".join(shown(line) for line in text.split("\n"))


def sentence(text: str) -> str:
    """A text that begins with a capital letter and ends with a full stop."""
    return text[:1].upper() + text[1:] + ("" if text.endswith(".") else ".")


def code(text: str) -> str:
    """A text as HTML, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick is left over: it is one of a file's name
        return escape(text)
    pieces = [
        Markup("<code>{}</code>").format(part) if place % 2 else escape(part)
        for place, part in enumerate(parts)
    ]
    return Markup("").join(pieces)


def percent(part: float, whole: float) -> str:
    """`part` of `whole`: 12.3%, 0% of nothing."""
    value = 100 * part / whole if whole else 0.0
    return f"{value:.0f}%" if value == 0 or value >= 99.95 else f"{value:.1f}%"


def finding_words(finding: Finding) -> str:
    """What is wasted, and why, as the title of a finding."""
    count = "1 file" if finding.files == 1 else f"{finding.files:,} files"
    if finding.kind == "overwritten":
        return f"{count} that layer {finding.by} writes anew"
    if finding.kind == "deleted":
        return f"{count} that layer {finding.by} deletes"
    if finding.kind == "metadata":
        what = "nothing changed" if finding.what in ("", "nothing") else f"new {finding.what}"
        return f"{count} copied from layer {finding.by} ({what})"
    if finding.kind == "duplicate":
        where = "the same layer" if finding.by == finding.layer else f"layer {finding.by}"
        return f"{count} with content that {where} has already"
    return f"{count} of a cache: {finding.what}"

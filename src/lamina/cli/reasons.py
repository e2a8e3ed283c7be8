"""Reasons as people read them: why a step was done, what differs, and by which rule one was reused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.cli.commands.build_ls import duration
from lamina.cli.escaping import escaped
from lamina.cli.narrowing import narrowed
from lamina.graph.ingredients import MOST_LISTED
from lamina.graph.reason import MASKED, shown_paths
from lamina.graph.rules import EXACT, INDEPENDENT, SAME_CONTENT, UNTOUCHED

if TYPE_CHECKING:
    from lamina.graph.reason import Change, Reason

MOST = 10  # differences of one step that are shown
LEAST = 0.05  # seconds saved that are worth a word
_SHORT = 19  # characters of a digest: sha256: and 12 digits

RULES = {
    EXACT: "the same step was done before",
    SAME_CONTENT: "the layers below it are others, with the same content",
    INDEPENDENT: "what it looks at in the layers below is the same",
    UNTOUCHED: "what it read of the layers below is the same",
}
_CODES = {
    "first": "nothing like it was done before",
    "failed": "it did not end well the last time: there is nothing to reuse",
    "no-cache": "--no-cache",
    "gone": "it was done before, but nothing of that is left to reuse",
    "unknown": "why is not known",
}


def reason_lines(reason: Reason, file: str = "Dockerfile", *, whole: bool = False) -> list[str]:
    """What differs, one line each, the most telling first; `file` is the Dockerfile's name. At most 10.

    `whole`: all of them, and nothing is shortened.
    """
    lines = [first_line(reason)] if reason.code != "changed" else []
    if reason.code in ("changed", "gone", "first", "failed", "unknown"):
        groups = [_line(group, file, whole=whole) for group in shown_paths(reason.changes)]
        shown = groups if whole else groups[:MOST]
        more = reason.more + len(groups) - len(shown)
        lines += shown + ([f"and {more} more"] if more else [])
    if reason.waits_for:
        lines.append("it depends on " + ", ".join(f"#{number}" for number in reason.waits_for))
    if reason.doubt:
        lines.append(escaped(f"({reason.doubt})"))
    return lines


def summary(reason: Reason, file: str = "Dockerfile") -> str:
    """The reason on one line."""
    if reason.code != "changed":
        return first_line(reason)
    groups = shown_paths(reason.changes)
    if not groups:
        return f"{reason.more} changes below it"
    more = reason.more + len(groups) - 1
    return _line(groups[0], file, whole=False) + (f", and {more} more" if more else "")


def first_line(reason: Reason) -> str:
    """What the code of a reason means."""
    old, new = next(((change.old, change.new) for change in reason.changes), (None, None))
    if reason.code == "no-cache-filter":
        return f"--no-cache-filter names its stage {escaped(new or '')}".rstrip()
    if reason.code == "age" and old and new:
        return f"it was done {_age(old)} ago, and --cache-ttl is {_age(new)}"
    if reason.code == "rule-off":
        return f"the rule {new} would reuse it, and is switched off (--cache-rule -{new})"
    if reason.code == "verify":
        return f"--cache-rule verify: done again, to be compared with what the rule {new} would reuse"
    if reason.code == "unknown-yet":
        return "not known yet"
    if reason.code == "failed" and reason.build:
        return f"it did not end well the last time (build {reason.build}): there is nothing to reuse"
    return _CODES.get(reason.code, reason.code)


def reused(rule: str, saved: float | None, origin: str = "") -> str:
    """`reused (exact): ..., saved 1.0s`; `origin` is the shared cache that it came from."""
    said = ", ".join(filter(None, (rule, f"from {origin}" if origin else "")))
    text = f"reused ({escaped(said)})" if said else "reused"
    if rule in RULES:
        text += f": {RULES[rule]}"
    return text if saved is None or saved < LEAST else f"{text}; that saved {duration(saved)}"


def reason_json(reason: Reason) -> dict[str, object]:
    """All of it, as the other commands name fields."""
    return {
        "Code": reason.code,
        "Summary": summary(reason),
        "Doubt": reason.doubt,
        "LastSeconds": reason.seconds,
        "LastBuild": reason.build,
        "More": reason.more,
        "WaitsFor": list(reason.waits_for),
        "Changes": [
            {name.capitalize(): value for name, value in change._asdict().items()}
            for change in reason.changes
        ],
    }


def _line(group: tuple[Change, ...], file: str, *, whole: bool) -> str:
    """One difference; of a path all that differs."""
    return escaped(_KINDS[group[0].kind](group, file, whole))


def _where(change: Change, file: str) -> str:
    return f"#{change.step} ({file}:{change.line})" if change.step else ""


def _by(change: Change, file: str) -> str:
    return f", by {_where(change, file)}" if change.step else ""


def _file(group: tuple[Change, ...], file: str, whole: bool) -> str:
    first = group[0]
    if first.what == "unlisted":
        text = f"{first.name}: one or more of its files; it has too many for all to be known by name"
        return f"{text} ({first.new} now, {MOST_LISTED} are)" if first.new else text
    if first.what == "value":
        return _value(group, file, whole)
    return f"{first.name}: {_aspects(group)}{_by(first, file)}"


def _read(group: tuple[Change, ...], file: str, whole: bool) -> str:
    first = group[0]
    if first.what == "added":
        return f"it looked for {first.name}, which is there now{_by(first, file)}"
    if first.what == "removed":
        return f"it looked at {first.name}, which is not there any more{_by(first, file)}"
    if first.what == "listing":
        words = [_names(names, word) for names, word in ((first.new, "new"), (first.old, "gone")) if names]
        return f"it listed {first.name}, where {' and '.join(words)}{_by(first, file)}"
    if first.what == "unknown":
        return f"it looked at {first.name}, which is not as it was{_by(first, file)}"
    return f"it looked at {first.name}: {_aspects(group)}{_by(first, file)}"


def _names(names: str, word: str) -> str:
    """`a is new`, `a, b are new`."""
    return f"{names} {'are' if ', ' in names else 'is'} {word}"


def _aspects(group: tuple[Change, ...]) -> str:
    """`content, 1 -> 2 bytes, mode 0644 -> 0600`."""
    words = []
    for change in group:
        if change.what == "size":
            words.append(f"{change.old} -> {change.new} bytes")
        elif change.what in ("added", "removed"):
            kind = change.new or change.old or "file"
            words.append(change.what if kind == "file" else f"{change.what} ({kind})")
        elif change.what.startswith("xattr "):
            how = " added" if change.old is None else " removed" if change.new is None else ""
            words.append(f"{change.what}{how}")
        elif change.what == "picked":
            words.append(f"copied {change.old} -> {change.new}" if change.old else "copied in another way")
        elif change.what == "content" or (change.old is None and change.new is None):
            words.append(change.what)
        else:
            words.append(f"{change.what} {change.old} -> {change.new}")
    return ", ".join(words)


def _base(group: tuple[Change, ...], file: str, whole: bool) -> str:
    change = group[0]
    (old_name, _, old), (new_name, _, new) = (
        (text or "").partition("@") for text in (change.old, change.new)
    )
    if old_name not in ("", new_name):
        text = f"base {_image(old_name, old, whole)} -> {_image(new_name, new, whole)}"
    else:
        text = f"base {new_name} {_digest(old, whole)} -> {_digest(new, whole)}"
    return f"{text}{_by(change, file)}"


def _image(name: str, digest: str, whole: bool) -> str:
    return f"{name} {_digest(digest, whole)}" if digest else name


def _digest(text: str, whole: bool) -> str:
    return text if whole else text[:_SHORT]


def _step(group: tuple[Change, ...], file: str, whole: bool) -> str:
    change = group[0]
    text = change.name if whole else narrowed(change.name, None)[0]
    place = f"#{change.step} {text} ({file}:{change.line})" if change.step else text
    if change.what == "added":
        return f"above it is a new step: {place}"
    if change.what == "removed":
        return f"above it a step is not there any more: {place}"
    if change.what == "replaced":
        old, new = (change.old or "", change.name) if whole else narrowed(change.old or "", change.name)
        return f"above it {_where(change, file)} is another: {old} -> {new}"
    if change.what == "moved":
        return f"above it the order is another, from {place} on"
    return f"above it {place} made another layer"


def _value(group: tuple[Change, ...], file: str, whole: bool) -> str:
    change = group[0]
    kind = change.kind.upper() + " " if change.kind in ("arg", "env") else ""
    name, old, new = f"{kind}{change.name}", change.old, change.new
    if change.kind not in ("arg", "env"):
        old, new = old or None, new or None
    if MASKED in (old, new) or (old == new is not None and MASKED in new):
        how = "added" if old is None else "removed" if new is None else "changed"
        return f"{name} {how}: {MASKED}"
    if not whole and old is not None and new is not None:
        old, new = narrowed(old, new)
    elif not whole:
        old, new = (text and narrowed(text, None)[0] for text in (old, new))
    if old is None and new is None:
        return f"{name} {change.what}"
    if old is None or new is None:
        return f"{name} added: {_quoted(new)}" if old is None else f"{name} removed: {_quoted(old)}"
    return f"{name}: {_quoted(old)} -> {_quoted(new)}"


def _quoted(text: str | None) -> str:
    """A value that would not be seen, or not whole, in quotation marks."""
    return f'"{text}"' if not text or text != text.strip() else text


def _age(seconds: str) -> str:
    """`3d 2h`, `45s`."""
    left, parts = int(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


_KINDS = {
    "read": _read,
    "file": _file,
    "below": _file,
    "base": _base,
    "step": _step,
    "text": _value,
    "arg": _value,
    "env": _value,
    "option": _value,
}

"""Licence texts of package databases as SPDX licence expressions (SPDX 2.3, annex D).

Names that the SPDX list does not have become LicenseRef-NAME, which the document then explains.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lamina.insight.spdx_ids import EXCEPTIONS, LICENCES

_KNOWN = {name.lower(): name for name in LICENCES}
_EXCEPTION = {name.lower(): name for name in EXCEPTIONS}
# What Debian, Fedora and Python call licences that have another name in the list.
_ALIASES = {
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache license version 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "artistic": "Artistic-1.0-Perl",
    "artistic-2": "Artistic-2.0",
    "asl 2.0": "Apache-2.0",
    "bsd-0-clause": "0BSD",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd-2-clauses": "BSD-2-Clause",
    "bsd-3-clauses": "BSD-3-Clause",
    "bsl-1": "BSL-1.0",
    "cc0": "CC0-1.0",
    "expat": "MIT",
    "isc license (iscl)": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "mplv2.0": "MPL-2.0",
    "openldap": "OLDAP-2.8",
    "psf": "PSF-2.0",
    "python software foundation license": "PSF-2.0",
    "the unlicense (unlicense)": "Unlicense",
    "zlib/libpng": "Zlib",
}
_GNU = re.compile(r"([AL]?GPL|GFDL)-?v?(\d)(?:\.(\d))?(\+|-or-later|-only)?", re.IGNORECASE)
_OPERATORS = re.compile(r"(\(|\)|\s+(?:and|or)\s+)", re.IGNORECASE)
_WITH = re.compile(r"\s+with\s+", re.IGNORECASE)
_UNFIT = re.compile(r"[^A-Za-z0-9.-]+")


class Expression(NamedTuple):
    """`text` is a valid SPDX expression, or ""; `extracted` maps each LicenseRef in it to its name."""

    text: str
    extracted: dict[str, str]


def expression(text: str) -> Expression:
    """Reads what a database says of a licence; a text that is no expression becomes one LicenseRef."""
    text = " ".join(text.split())
    if not text:
        return Expression("", {})
    extracted: dict[str, str] = {}
    words = [word.strip() for word in _OPERATORS.split(text) if word.strip()]
    if text.lower() in _ALIASES or not _fits(words):
        return Expression(_term(text, extracted), extracted)
    made = [_word(word, extracted) for word in words]
    return Expression(" ".join(made).replace("( ", "(").replace(" )", ")"), extracted)


def _fits(words: list[str]) -> bool:
    """Whether terms and operators alternate, and parentheses are in pairs."""
    depth, wants_term = 0, True
    for word in words:
        operator = word.upper() in ("AND", "OR")
        if wants_term == (operator or word == ")"):
            return False
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        else:
            wants_term = operator
        if depth < 0:
            return False
    return not wants_term and depth == 0


def _word(word: str, extracted: dict[str, str]) -> str:
    if word.upper() in ("AND", "OR"):
        return word.upper()
    return word if word in "()" else _term(word, extracted)


def _term(text: str, extracted: dict[str, str]) -> str:
    """One licence, with an exception or without."""
    licence, *rest = _WITH.split(text, maxsplit=1)
    exception = rest[0] if rest else ""
    name = _name(licence)
    if name and not rest:
        return name
    if name and exception.lower() in _EXCEPTION:
        return f"{name} WITH {_EXCEPTION[exception.lower()]}"
    reference = "LicenseRef-" + (_UNFIT.sub("-", text)[:60].strip("-") or "unknown")
    while extracted.setdefault(reference, text) != text:  # two texts that differ only in what was cut off
        reference += "-2"
    return reference


def _name(text: str) -> str:
    """A licence as the SPDX list names it; "" when it has none."""
    small = text.lower()
    if small in _KNOWN:
        return _KNOWN[small]
    if small in _ALIASES:
        return _ALIASES[small]
    gnu = _GNU.fullmatch(text)
    if gnu is None:
        return ""
    family, major, minor, later = gnu.groups()
    ending = "or-later" if later in ("+", "-or-later") else "only"
    return _KNOWN.get(f"{family}-{major}.{minor or 0}-{ending}".lower(), "")

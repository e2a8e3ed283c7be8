"""The page of a report: what it says, and that nothing of an image can be anything but text in it."""

from __future__ import annotations

import base64
import hashlib
import json
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING

import pytest

from lamina.insight.report.data import COLOURS, colours, packed
from lamina.insight.report.page import page
from lamina.insight.report.report import Report, report
from lamina.insight.report.words import code, instruction, percent, shown
from lamina.tree.entry import Entry, Kind
from tests.insight.archiving import TRICKY, asked, file, gone
from tests.insight.rowing import rows_image

if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layers.context import Layers

HOSTILE = "</script></style><img src=x onerror=alert(1)><b>{{ 7 * 7 }}"
ASSETS = list((resources.files("lamina.insight.report") / "assets").iterdir())


class Parsed(HTMLParser):
    """The elements of a page with their attributes, its texts, and what each script and style holds."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.inside: dict[str, list[str]] = {"script": [], "style": [], "h1": [], "title": []}
        self.text = ""
        self._at = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._at = tag
        if tag in self.inside:
            self.inside[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self._at = ""

    def handle_data(self, data: str) -> None:
        if self._at in self.inside:
            self.inside[self._at][-1] += data
        if self._at not in ("script", "style"):
            self.text += data

    @property
    def data(self) -> dict[str, object]:
        found = json.loads(self.inside["script"][0])
        assert isinstance(found, dict)
        return found


@pytest.fixture
def hostile(store: Layers, tmp_path: Path) -> Report:
    name = HOSTILE.replace("/", "_")
    layers = [
        [
            file(f"etc/{name}", "12345"),
            file("etc/\udcff\udcfe", "1"),
            file("etc/\x1b[31m\u202egnp.exe", "22"),
        ],
        [file(f"{name}/x", "1"), gone(f"etc/{name}")],
        [
            file(
                "var/lib/dpkg/status",
                f"Package: {name}\nStatus: install ok installed\nVersion: {HOSTILE}\n\n",
            )
        ],
    ]
    history = [{"created": HOSTILE, "created_by": f"RUN {HOSTILE}\x1b[0m", "comment": HOSTILE}] * 3
    found = asked(store, tmp_path / "image.tar", layers, history=history)
    return report(store, found.image_id)


def test_whatever_an_image_says_is_text(hostile: Report) -> None:
    text = page(hostile)
    text.encode()  # there is nothing in it that UTF-8 has not
    found = Parsed(text)
    names = {name for name, _ in found.elements}
    assert names.isdisjoint({"img", "b", "iframe", "object", "embed", "form", "base"})
    for name, attributes in found.elements:
        assert not any(key.startswith("on") or key in ("style", "src") for key in attributes), (
            name,
            attributes,
        )
        assert attributes.get("href", "#").startswith("#") and name != "link"  # type: ignore[union-attr]
    assert len(found.inside["script"]) == 2 and len(found.inside["style"]) == 1
    assert "{{ 7 * 7 }}" in found.text and "49}" not in found.text
    assert "\x1b" not in text and "\u202e" not in text and "\\x1b[31m\\u202egnp.exe" in found.text
    assert HOSTILE.replace("/", "_") in str(found.data["names"]) and "\\\\xff\\\\xfe" in str(
        found.data["names"]
    )


def test_the_policy_lets_only_this_script_and_style_work(hostile: Report) -> None:
    found = Parsed(page(hostile))
    policy = next(
        str(each["content"])
        for _, each in found.elements
        if each.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    for text in (found.inside["script"][1], found.inside["style"][0]):
        assert f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy
    assert "unsafe" not in policy


def test_scripts_put_in_texts_as_texts_and_ask_no_network() -> None:
    assert len(ASSETS) >= 15
    for asset in ASSETS:
        text = asset.read_text("utf-8")
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "fetch(",
            "import(",
        ):
            assert word not in text, (asset.name, word)
        assert text.replace("http://www.w3.org/2000/svg", "").count("http") == text.count("http-equiv"), (
            asset.name
        )


def test_the_data_is_the_report(store: Layers, tmp_path: Path) -> None:
    found = report(store, asked(store, tmp_path / "image.tar", TRICKY).image_id)
    text = page(found)
    parsed = Parsed(text)
    assert parsed.data == json.loads(json.dumps(packed(found)))
    assert page(found) == text
    assert parsed.inside["h1"] == ["asked:latest"]
    assert "step 4" in parsed.text
    names = parsed.data["names"]
    assert isinstance(names, list) and len(names) == sum(len(each.files) for each in found.files.folders)
    assert [each.number for each in found.layers] == [1, 2, 3, 4, 5]
    assert sum(each.size for each in found.layers) == found.size == found.waste.size
    assert sum(each.wasted for each in found.layers) == found.waste.wasted


def test_an_image_without_layers(store: Layers) -> None:
    found = report(store, rows_image(store, [], []))
    text = Parsed(page(found)).text
    assert "This image has no layers." in text and "Nothing is wasted." in text
    assert "(its history does not say)" in text


def test_histories_that_lie(store: Layers, tmp_path: Path) -> None:
    layers = [[file("a", "1")], [file("b", "22")], [file("c", "333")]]
    for history in ([], [{"created_by": "one"}], [{"created_by": f"line {n}"} for n in range(9)]):
        found = asked(store, tmp_path / "image.tar", layers, history=history)
        made = report(store, found.image_id)
        assert [(layer.number, layer.size) for layer in made.layers] == [(1, 1), (2, 2), (3, 3)]
        assert [line.layer for line in made.history if line.layer] == [1, 2, 3]
        assert "</html>" in page(made)


def test_colours_go_to_the_biggest_layers(store: Layers) -> None:
    layers = [[Entry(f"f{n}".encode(), Kind.FILE, size=n * 7 % 30)] for n in range(30)]
    found = report(store, rows_image(store, layers, [f"RUN {n}" for n in range(30)]))
    chosen = colours(found.layers)
    assert sorted(filter(None, chosen)) == list(range(1, COLOURS + 1))
    assert [number for number in chosen if number] == list(range(1, COLOURS + 1))
    grey = [layer.size for layer, colour in zip(found.layers, chosen, strict=True) if not colour]
    assert max(grey) <= min(layer.size for layer, colour in zip(found.layers, chosen, strict=True) if colour)


def test_words() -> None:
    assert [shown(each) for each in ("a b", "\udcff", "\x1b", "\u202e", "ü", "\ud800", "\n")] == [
        "a b",
        "\\xff",
        "\\x1b",
        "\\u202e",
        "ü",
        "\\ud800",
        "\\n",
    ]
    assert instruction(" RUN  a\n b ") == "RUN a b"
    assert str(code("use `a < b` & `c`")) == "use <code>a &lt; b</code> &amp; <code>c</code>"
    assert str(code("an odd ` <b>")) == "an odd ` &lt;b&gt;"
    assert [percent(*each) for each in ((0, 0), (1, 3), (1, 1), (0, 5))] == ["0%", "33.3%", "100%", "0%"]

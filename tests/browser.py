"""A headless Chromium (Debian's package), by the DevTools protocol: opens a page, clicks, types, looks."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import websocket

from tests.machine import quick_place

_FLAGS = (
    "--headless=new",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--no-sandbox",  # it has none for root; it opens nothing but our own page
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--force-prefers-reduced-motion",  # nothing moves while we look
    "--hide-scrollbars",
)
_PATIENCE = 10.0  # seconds
_WRONG = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


def missing() -> str:
    """Why there is no browser here; "" when there is one."""
    return "" if shutil.which("chromium") else "chromium is needed (./test as root installs it)"


class Page:
    """One page. `wrong` are errors of its console and its scripts, and whatever it asked the net for."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=_PATIENCE, suppress_origin=True)
        self._number = 0
        self._events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": params}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, (method, message["error"])
                result = message["result"]
                assert isinstance(result, dict)
                return result
            self._events.append(message)

    def run(self, script: str) -> Any:
        """The value of a JavaScript expression; promises are awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, (script, found["exceptionDetails"])
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Waits until an expression is true."""
        end = time.monotonic() + _PATIENCE
        while not (value := self.run(script)):
            assert time.monotonic() < end, script
            time.sleep(0.01)
        return value

    def open(self, path: Path, hash: str = "") -> float:
        """Opens a file as a new page and waits until it is drawn; the seconds that this took."""
        before = time.monotonic()
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.as_uri() + hash)
        self.wait("document.readyState === 'complete' && location.protocol === 'file:'")
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        return time.monotonic() - before

    def scheme(self, name: str) -> None:
        """What the page is told of the user's wish: light or dark."""
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def size(self, width: int, height: int) -> None:
        """Makes the window so large."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def click(self, script: str) -> None:
        """Clicks with the mouse on the middle of the element that an expression gives."""
        place = self.run(
            f"(() => {{ const it = {script}; it.scrollIntoView({{block: 'center', behavior: 'instant'}});"
            " const r = it.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=place[0], y=place[1], button="left", clickCount=1
            )

    def key(self, name: str, text: str = "") -> None:
        """Presses a key, as Enter, ArrowLeft, or a letter."""
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, text=text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name)

    def type(self, text: str) -> None:
        """Types into what has the focus."""
        self.call("Input.insertText", text=text)

    def picture(self, whole: bool = False) -> bytes:
        """The window, or the whole page, as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(found["data"])

    @property
    def wrong(self) -> list[object]:
        """Errors so far of console, scripts and the page's policy, and requests for anything but a file."""
        self.run("0")
        found: list[object] = []
        for event in self._events:
            method, params = event.get("method"), event.get("params", {})
            level = params.get("entry", params).get("level", params.get("type", ""))
            if method in _WRONG and (method == _WRONG[0] or level in ("error", "warning", "assert")):
                found.append(event)
            if method == "Network.requestWillBeSent":
                url = params["request"]["url"]
                if not url.startswith(("file:", "data:", "about:")):
                    found.append(url)
        return found

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()


@contextmanager
def browser() -> Iterator[Page]:
    """One page of a new browser, with a profile of its own that is gone afterwards."""
    profile = tempfile.mkdtemp(prefix="lamina-chromium-", dir=quick_place())
    command = ["chromium", *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
    home = {"HOME": profile, "XDG_CONFIG_HOME": profile, "XDG_CACHE_HOME": profile}
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | home
    )
    try:
        page = Page(_address(Path(profile), process))
        yield page
        page.close()
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(profile, ignore_errors=True)


def _address(profile: Path, process: subprocess.Popen[bytes]) -> str:
    """Where the page listens: Chromium writes its port into the profile."""
    end = time.monotonic() + _PATIENCE
    written = profile / "DevToolsActivePort"
    while not (written.exists() and "\n" in written.read_text()):
        assert process.poll() is None, f"chromium ended with {process.returncode}"
        assert time.monotonic() < end, "chromium does not listen"
        time.sleep(0.02)
    port = written.read_text().split("\n")[0]
    with build_opener(ProxyHandler({})).open(
        f"http://127.0.0.1:{port}/json/list", timeout=_PATIENCE
    ) as answer:
        pages = [each for each in json.load(answer) if each["type"] == "page"]
    address = pages[0]["webSocketDebuggerUrl"]
    assert isinstance(address, str)
    return address

"""A headless Chromium, spoken to by the DevTools protocol over a pipe: no driver is needed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
PATIENCE_S = 60.0


def executable() -> str | None:
    """Return where Chromium is, None if it is not installed."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page of a browser without a network."""

    def __init__(self, program: str, home: Path) -> None:
        from_us, self.to_browser = os.pipe()
        self.from_browser, to_us = os.pipe()
        root = ["--no-sandbox"] if os.geteuid() == 0 else []
        # the browser reads file descriptor 3 and writes 4
        command = f'exec "$@" 3<&{from_us} 4>&{to_us}'
        self.process = subprocess.Popen(
            ["bash", "-c", command, "bash", program, *OPTIONS, *root, f"--user-data-dir={home}"],
            pass_fds=(from_us, to_us),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(from_us)
        os.close(to_us)
        self.unread, self.count, self.session = b"", 0, ""
        self.events: list[dict[str, Any]] = []
        targets = self.send("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in targets if t["type"] == "page")
        attached = self.send("Target.attachToTarget", targetId=page, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        offline = {"latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
        self.send("Network.emulateNetworkConditions", offline=True, **offline)

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self.count += 1
        message = {"id": self.count, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while (answer := self.receive()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return dict(answer["result"])

    def receive(self) -> dict[str, Any]:
        """Return the next message."""
        while b"\0" not in self.unread:
            ready, _, _ = select.select([self.from_browser], [], [], PATIENCE_S)
            assert ready, "the browser does not answer"
            got = os.read(self.from_browser, 1 << 20)
            assert got, "the browser is gone"
            self.unread += got
        message, self.unread = self.unread.split(b"\0", 1)
        return dict(json.loads(message))

    def look(self, width: int = 1280, height: int = 900, scheme: str = "light") -> None:
        """Set the window's size and what the system prefers: `light` or `dark`."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.send("Emulation.setDeviceMetricsOverride", **size)
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def open(self, file: Path, fragment: str = "") -> None:
        """Open a file, at a fragment such as `#scene=x`, and wait until its curves are drawn."""
        self.send("Page.navigate", url="about:blank")
        self.ask("0")
        self.events.clear()
        self.send("Page.navigate", url=file.resolve().as_uri() + fragment)
        self.until("document.documentElement?.dataset.drawn === 'yes'")

    def ask(self, script: str) -> Any:
        """Return what JavaScript evaluates to; a promise is waited for."""
        options = {"awaitPromise": True, "returnByValue": True}
        answer = self.send("Runtime.evaluate", expression=script, **options)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def until(self, script: str) -> None:
        """Wait until JavaScript evaluates to something true."""
        end = time.monotonic() + PATIENCE_S
        while not self.ask(script):
            assert time.monotonic() < end, f"never true: {script}"
            self.ask("new Promise(done => setTimeout(done, 20))")

    def complaints(self) -> list[str]:
        """Return what the console had to say since the page was opened, and whatever was fetched
        from elsewhere."""
        self.ask("0")  # whatever was on its way has arrived
        found = []
        for event in self.events:
            method, what = event.get("method"), event.get("params", {})
            is_error = what.get("type") in ("error", "warning", "assert")
            if method in ("Runtime.exceptionThrown", "Log.entryAdded"):
                found.append(json.dumps(what))
            elif method == "Runtime.consoleAPICalled" and is_error:
                found.append(json.dumps(what["args"]))
            elif method == "Network.requestWillBeSent" and what["type"] != "Document":
                url = what["request"]["url"]
                found += [] if url.startswith(("data:", "blob:")) else [url]
        return found

    def close(self) -> None:
        """End the browser."""
        with contextlib.suppress(OSError, AssertionError):
            self.send("Browser.close")
        self.process.kill()
        self.process.wait()
        os.close(self.to_browser)
        os.close(self.from_browser)


@contextlib.contextmanager
def browsing(program: str) -> Iterator[Browser]:
    """Give a browser, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        browser = Browser(program, Path(home))
        try:
            yield browser
        finally:
            browser.close()

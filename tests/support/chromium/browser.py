"""A headless Chromium for tests, driven over two pipes by the DevTools protocol: no driver program, no
port, no package but the browser's.

    with Browser() as browser:
        browser.open("http://127.0.0.1:1234/search")
        browser.click("table a")
        browser.wait("document.querySelector('.row')")

Unavailable says why there is none here. Everything waits for what it needs, at most WAIT seconds.
"""
import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

WAIT = 120
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""),
        "ArrowLeft": (37, ""), "ArrowRight": (39, ""), "Tab": (9, "")}


class Unavailable(Exception):
    """There is no Chromium here: a test skips, with this reason."""


class Failed(Exception):
    """The page did not do what was waited for."""


def find():
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise Unavailable("no chromium here; `apt-get install chromium`")


class Browser:
    def __init__(self, width=1280, height=800, dark=False):
        program = find()
        self.folder = tempfile.TemporaryDirectory(prefix="weft-chromium-")
        to_read, self.to = os.pipe()
        self.of, from_write = os.pipe()
        # The protocol's pipes are descriptors 3 and 4 of the browser.
        shell = f'exec "$0" "$@" 3<&{to_read} 4>&{from_write}'
        self.errors = open(os.path.join(self.folder.name, "stderr"), "w+", encoding="utf-8")
        self.process = subprocess.Popen(
            ["bash", "-c", shell, program, "--headless=new", "--remote-debugging-pipe", "--no-sandbox",
             "--no-first-run", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--force-color-profile=srgb", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
             f"--user-data-dir={self.folder.name}/profile", f"--window-size={width},{height}", "about:blank"],
            pass_fds=(to_read, from_write), stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors)
        os.close(to_read)
        os.close(from_write)
        self.number, self.held, self.session = 0, b"", None
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        self.resize(width, height)
        if dark:
            self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            os.close(self.to)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.of)
        self.errors.close()
        with contextlib.suppress(OSError):
            self.folder.cleanup()

    def _message(self, until):
        while b"\0" not in self.held:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self.of], [], [], left)[0]:
                raise Failed("the browser does not answer")
            part = os.read(self.of, 1 << 16)
            if not part:
                self.errors.seek(0)
                raise Failed("the browser ended: " + self.errors.read()[-500:])
            self.held += part
        text, self.held = self.held.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        until = time.monotonic() + WAIT
        while True:
            answer = self._message(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise Failed(f"{method}: {answer['error']['message']}")
                return answer["result"]
            if "method" in answer:
                self.events.append(answer)

    def run(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        result = self.ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Failed(details.get("exception", {}).get("description", details["text"]))
        return result["result"].get("value")

    def wait(self, expression, what=None):
        """Until the expression is true."""
        until = time.monotonic() + WAIT
        while time.monotonic() < until:
            with contextlib.suppress(Failed):
                if self.run(f"!!({expression})"):
                    return
            time.sleep(0.05)
        raise Failed(f"waited {WAIT} s for {what or expression}; the page says: "
                     + str(self.run("document.body && document.body.innerText.slice(0, 600)")))

    def open(self, url):
        self.ask("Page.navigate", url=url)
        self.wait(f"location.href.startsWith({json.dumps(url.split('?')[0])}) && document.readyState === 'complete'")

    def resize(self, width, height, scale=1):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def click(self, selector):
        """A real click, in the middle of the first match."""
        # Found and measured in one go: the page may be painted anew at any time. What was clicked is seen by the
        # document, since a click on the element that took the place of the measured one is as good.
        at = ("((selector) => { const e = document.querySelector(selector); if (!e) return false;"
              " e.scrollIntoView({block: 'nearest'}); window.clickHit = false;"
              " document.addEventListener('click', (c) => { window.clickHit = !!c.target.closest(selector); },"
              " {once: true, capture: true});"
              " const r = e.getBoundingClientRect(); window.clickAt = [r.x + r.width / 2, r.y + r.height / 2];"
              f" return true; }})({json.dumps(selector)})")
        until = time.monotonic() + WAIT
        while True:
            self.wait(at, f"an element {selector}")
            x, y = self.run("window.clickAt")
            for kind in ("mousePressed", "mouseReleased"):
                self.ask("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)
            # Whoever left the page by it has no `clickHit` any more.
            try:
                if self.run("window.clickHit") is not False:
                    return
            except Failed:
                return
            if time.monotonic() > until:
                raise Failed(f"{selector} moves or is covered: no click hit it in {WAIT} s")

    def type(self, text):
        self.ask("Input.insertText", text=text)

    def press(self, key, modifiers=0):
        code, text = KEYS[key] if key in KEYS else (ord(key.upper()), key)
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers}
        self.ask("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text and not modifiers else {}))
        self.ask("Input.dispatchKeyEvent", type="keyUp", **common)

    def screenshot(self, path):
        data = self.ask("Page.captureScreenshot", format="png")["data"]
        with open(path, "wb") as file:
            file.write(base64.b64decode(data))

    def complaints(self):
        """What the console and the network had to say that no page should cause."""
        out = []
        for event in self.events:
            parameters = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                details = parameters["exceptionDetails"]
                out.append(details.get("exception", {}).get("description", details["text"]))
            if event["method"] == "Log.entryAdded" and parameters["entry"]["level"] == "error":
                out.append(f"{parameters['entry']['text']} {parameters['entry'].get('url', '')}")
            if event["method"] == "Runtime.consoleAPICalled" and parameters["type"] == "error":
                out.append(str(parameters["args"]))
        return out

    def requested(self):
        """The addresses that were asked for."""
        return [event["params"]["request"]["url"] for event in self.events
                if event["method"] == "Network.requestWillBeSent"]

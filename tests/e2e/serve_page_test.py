#!/usr/bin/env python3
"""The page of `weft serve` in a real browser: from search to a span and why it has its parent, on every view, with
names and values of an attacker, on a phone's width, with a token. Skips, loudly, where there is no Chromium.

`serve_page_test.py BUILD --pictures FOLDER [DB]` makes the pictures of the README in place of testing.
"""
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from e2e import HERE, STORED_RECORDING, Build, main, replay, skip
from serve_process import ServeProcess

sys.path.insert(0, os.path.join(HERE, "..", "support", "chromium"))
from browser import Browser, Unavailable, find  # noqa: E402

BUILD = Build(sys.argv[1])
EVIL = "<img src=x onerror=\"window.evil=1\"><script>window.evil=2</script>"
READY = "document.body.dataset.ready === '{}'"


def evil_traces(path):
    """Spans whose every text tries to be markup, or to leave JSON, an address or an attribute."""
    def attribute(key, value):
        return {"key": key, "value": {"stringValue": value}}
    texts = [EVIL, "\"'><svg onload=window.evil=3>", "javascript:window.evil=4", "</title><script>window.evil=5</script>",
             "{{window.evil=6}} ${window.evil=7}", "\u2028\u0000\ud83d\ude00 \\", "a&b=c#d?e%41+f"]
    with open(path, "w", encoding="utf-8") as file:
        for i, text in enumerate(texts):
            spans = [{"traceId": f"{i + 1:032x}", "spanId": f"{i + 1:015x}{n}", "name": text, "kind": 2 + n,
                      "startTimeUnixNano": str(1763700000_000000000 + i * 10**8 + n * 10**6),
                      "endTimeUnixNano": str(1763700000_050000000 + i * 10**8 - n * 10**6),
                      "attributes": [attribute("key", text), attribute(text, text)], "status": {"code": 2 * n}} for n in (0, 1)]
            spans[1]["parentSpanId"] = spans[0]["spanId"]
            line = {"resourceSpans": [{"resource": {"attributes": [attribute("service.name", text), attribute("host.name", text)]},
                                       "scopeSpans": [{"scope": {}, "spans": spans}]}]}
            file.write(json.dumps(line) + "\n")


class ServePageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        try:
            find()
        except Unavailable as reason:
            skip(str(reason), "chromium")
        cls.folder = tempfile.TemporaryDirectory()
        cls.db = os.path.join(cls.folder.name, "shop.db")
        replay(BUILD, STORED_RECORDING, cls.db, "--plugin-dir", os.path.join(BUILD.path, "plugins"))

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def check(self, browser, port):
        """The page neither complained nor asked anybody else."""
        self.assertEqual(browser.complaints(), [])
        elsewhere = [url for url in browser.requested() if not url.startswith((f"http://127.0.0.1:{port}/", "about:", "data:", "blob:"))]
        self.assertEqual(elsewhere, [])

    def test_a_click_leads_from_search_to_a_span_and_why(self):
        with ServeProcess(BUILD, self.db) as serve, Browser() as browser:
            browser.open(f"http://127.0.0.1:{serve.port}/")
            browser.wait(READY.format("search"))
            browser.click("input[name=service]")
            browser.type("shop-cart")
            browser.click("button.go")
            browser.wait(READY.format("search") + " && location.search.includes('service=shop-cart') && document.querySelectorAll('.traces tbody tr').length > 5")
            browser.click(".traces tbody tr:nth-child(2) .name a")
            browser.wait(READY.format("trace") + " && document.querySelectorAll('.row').length > 2")
            trace = browser.run("document.querySelector('.title .id').textContent")
            self.assertEqual(browser.run("location.pathname"), f"/trace/{trace}")
            browser.click(".row:nth-child(3) .names b")
            browser.wait("document.querySelector('.panel .why li')", "the reasons for a link")
            span = browser.run("document.querySelector('.panel code').textContent")
            self.assertEqual(browser.run("new URLSearchParams(location.search).get('span')"), span)
            said = subprocess.run([BUILD.weft, "explain", span, "--db", self.db], capture_output=True, text=True, check=True).stdout
            for reason in browser.run("[...document.querySelectorAll('.why li')].map((one) => one.textContent)"):
                self.assertIn(reason, said)
            # The address is the state: opened anew it shows the same.
            browser.open(browser.run("location.href"))
            browser.wait(f"document.querySelector('.row.at')?.dataset.span === '{span}'")
            self.check(browser, serve.port)

    def test_all_is_within_reach_of_the_keyboard(self):
        with ServeProcess(BUILD, self.db) as serve, Browser() as browser:
            browser.open(f"http://127.0.0.1:{serve.port}/search")
            browser.wait(READY.format("search"))
            for key in ("j", "j", "k", "Enter"):
                browser.press(key)
            browser.wait(READY.format("trace") + " && document.querySelector('.row')")
            browser.press("ArrowDown")
            browser.press("j")
            browser.wait("document.querySelector('.row.at') && !document.querySelector('.panel').hidden")
            below = browser.run("document.querySelectorAll('.row').length")
            browser.press("ArrowUp")
            browser.press("ArrowLeft")
            browser.wait(f"document.querySelectorAll('.row').length < {below}", "a folded tree")
            browser.press("Escape")
            browser.wait("document.querySelector('.panel').hidden")
            browser.press("f")
            browser.wait("document.querySelectorAll('.flame .box').length > 2")
            for key, view in (("m", "graph"), ("r", "red"), ("q", "sql"), ("s", "search")):
                browser.press("g")
                browser.press(key)
                browser.wait(f"location.pathname === '/{view}' && " + READY.format(view))
            browser.press("?")
            browser.wait("document.querySelector('dialog').open")
            self.check(browser, serve.port)

    def test_map_rates_and_sql_lead_on(self):
        with ServeProcess(BUILD, self.db) as serve, Browser() as browser:
            base = f"http://127.0.0.1:{serve.port}"
            browser.open(f"{base}/graph")
            browser.wait("document.querySelectorAll('.node').length > 4 && document.querySelectorAll('.edge').length > 4")
            browser.run("document.querySelector('.edge').dispatchEvent(new MouseEvent('click', {bubbles: true}))")
            browser.wait("document.querySelector('.edge-facts a')")
            browser.click(".edge-facts a")
            browser.wait("location.pathname === '/search' && document.querySelector('.traces tbody tr')")
            browser.open(f"{base}/red")
            browser.wait("document.querySelectorAll('.chart svg .line').length >= 3 && document.querySelector('.operations tbody tr')")
            browser.click(".operations tbody .name a")
            browser.wait("location.search.includes('operation=') && document.querySelectorAll('.operations tbody tr').length === 1")
            browser.open(f"{base}/sql")
            browser.wait("document.querySelector('.results tbody tr')")
            browser.run("document.querySelector('textarea').value = 'SELECT trace_id FROM traces LIMIT 3'")
            browser.click("textarea")
            browser.press("Enter", modifiers=2)
            browser.wait("document.querySelectorAll('.results tbody a').length === 3")
            browser.run("document.querySelector('textarea').value = 'DROP TABLE spans'")
            browser.ask("Log.clear")
            self.check(browser, serve.port)
            browser.click("button.go")
            browser.wait("document.querySelector('.failure')?.textContent.includes('not authorized')", "a refusal")

    def test_names_of_an_attacker_stay_text(self):
        path, db = (os.path.join(self.folder.name, name) for name in ("evil.jsonl", "evil.db"))
        evil_traces(path)
        replay(BUILD, path, db, "--plugin-dir", os.path.join(BUILD.path, "plugins"))
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as store:
            traces = [row[0] for row in store.execute("SELECT trace_id FROM traces")]
        self.assertGreaterEqual(len(traces), 6)
        with ServeProcess(BUILD, db) as serve, Browser() as browser:
            base = f"http://127.0.0.1:{serve.port}"
            pages = ["/search", "/graph", "/red", "/sql?q=SELECT+*+FROM+spans", "/search?service=%3Cscript%3Ewindow.evil=8%3C/script%3E&attr=a%3D%22%3E%3Cb%3E",
                     "/trace/%3Cimg%20src=x%20onerror=window.evil=9%3E", "/%3Cscript%3E"]
            for trace in traces:
                pages += [f"/trace/{trace}", f"/trace/{trace}?view=flame"]
            for page in pages:
                with self.subTest(page):
                    browser.open(base + page)
                    if not page.startswith("/%3C"):
                        browser.wait("document.body.dataset.ready || document.querySelector('.failure')")
                    if page.startswith("/trace/0") and "flame" not in page:
                        browser.click(".row:nth-child(2) .names b")
                        browser.wait("document.querySelector('.why .hint, .why ul')")
                    self.assertIsNone(browser.run("window.evil ?? null"))
                    self.assertEqual(browser.run("document.querySelectorAll('script:not([src]), img[src=x], [onerror], [onload]').length"), 0)
                    self.assertEqual(browser.run("[...document.querySelectorAll('a[href]')].filter((a) => !/^(https?|blob):/.test(a.href || a.href.baseVal)).length")
                                     if "/graph" not in page else 0, 0)
            browser.open(f"{base}/trace/{1:032x}")
            browser.wait("document.querySelector('.row')")
            self.assertIn(EVIL, browser.run("document.querySelector('.row .names').textContent"))

    def test_a_narrow_screen_shows_all_without_scrolling_sideways(self):
        with ServeProcess(BUILD, self.db) as serve, Browser(390, 800, dark=True) as browser:
            for view in ("search", "red", "sql"):
                browser.open(f"http://127.0.0.1:{serve.port}/{view}")
                browser.wait(READY.format(view))
                self.assertLessEqual(browser.run("document.documentElement.scrollWidth"), 390, view)
            browser.open(f"http://127.0.0.1:{serve.port}/search")
            browser.click(".traces tbody tr:nth-child(3) .name a")
            browser.click(".row:nth-child(2) .names b")
            browser.wait("document.querySelector('.panel .why ul')")
            self.assertLessEqual(browser.run("document.documentElement.scrollWidth"), 390)
            self.check(browser, serve.port)

    def test_a_token_opens_the_page_once_and_for_all(self):
        token = "0123456789abcdef0123"
        path = os.path.join(self.folder.name, "token")
        with open(path, "w", encoding="utf-8") as file:
            file.write(token + "\n")
        with ServeProcess(BUILD, self.db, "--token-file", path) as serve, Browser() as browser:
            base = f"http://127.0.0.1:{serve.port}"
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"{base}/api/services")
            self.assertEqual(refused.exception.code, 401)
            refused.exception.close()
            request = urllib.request.Request(f"{base}/api/services", headers={"Authorization": f"Bearer {token}"})
            self.assertIn("shop-cart", urllib.request.urlopen(request).read().decode())
            browser.open(f"{base}/search?errors=1")
            browser.click("input[name=token]")
            browser.type(token)
            browser.click("button")
            browser.wait(READY.format("search"))
            self.assertNotIn("token", browser.run("location.href"))
            browser.open(f"{base}/red")
            browser.wait(READY.format("red"))


def pictures(folder, db):
    """What the README shows."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        if not db:
            db = os.path.join(scratch, "weft.db")
            replay(BUILD, STORED_RECORDING, db, "--plugin-dir", os.path.join(BUILD.path, "plugins"))
        with sqlite3.connect(f"file:{db}?mode=ro", uri=True) as store:
            trace, span = store.execute(
                "SELECT l.trace_id, l.child FROM links l JOIN traces t ON t.trace_id = l.trace_id WHERE l.candidates IS NOT NULL"
                " AND t.spans BETWEEN 12 AND 24 AND NOT t.incomplete ORDER BY l.confidence < 0.999 DESC, t.errors > 0 DESC, t.duration_ns DESC LIMIT 1").fetchone()
        shots = [("search", "/search?limit=500", 1280, 640, False), ("trace", f"/trace/{trace}?span={span}", 1280, 720, False),
                 ("map", "/graph", 1280, 560, True), ("rates", "/red", 1280, 560, True)]
        with ServeProcess(BUILD, db) as serve:
            for name, page, width, height, dark in shots:
                with Browser(width, height, dark) as browser:
                    browser.open(f"http://127.0.0.1:{serve.port}{page}")
                    browser.wait("document.body.dataset.ready")
                    browser.wait("!document.querySelector('.panel:not([hidden])') || document.querySelector('.why ul')")
                    browser.run("document.querySelector('.store').textContent = 'weft.db'")
                    browser.run("new Promise((done) => setTimeout(done, 400))")
                    browser.screenshot(os.path.join(folder, f"{name}.png"))


if __name__ == "__main__":
    if len(sys.argv) > 3 and sys.argv[2] == "--pictures":
        pictures(sys.argv[3], sys.argv[4] if len(sys.argv) > 4 else None)
    else:
        main()

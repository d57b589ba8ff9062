"""A panel on a bare page: its own module and style, the notebook's colours, and a line to a panel in this process.

Quicker than a notebook, for everything that is the panel's own. JupyterLab and Voilà have their own tests.
"""

from __future__ import annotations

import base64
import queue
import threading
import time

NAMES = ("--jp-layout-color0", "--jp-layout-color1", "--jp-ui-font-color0", "--jp-ui-font-color1")
LIGHT = dict(zip(NAMES, ("#fff", "#fff", "#000", "rgba(0,0,0,.87)")))
DARK = dict(zip(NAMES, ("#111", "#212121", "#fff", "rgba(255,255,255,.87)")))
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>panel</title><link rel="icon" href="data:,"></head>
<body data-jp-theme-light="{light}"><main id="panel"></main></body></html>"""
BRIDGE = """async ([text, frame, style]) => {
  const module = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
  const heard = new Set(), bytes = (one) => Uint8Array.from(atob(one), (c) => c.charCodeAt(0));
  const whole = (one) => {
    let out = "";
    for (const b of new Uint8Array(one.buffer || one)) out += String.fromCharCode(b);
    return btoa(out);
  };
  const model = {
    get: (name) => ({ frame, _css: style })[name],
    send: (content, _, buffers) => window.toKernel(content, (buffers || []).map(whole)),
    on: (name, call) => { if (name === "msg:custom") heard.add(call); }, off: (name, call) => heard.delete(call),
  };
  window.fromKernel = (content, buffers) => { for (const call of heard) call(content, buffers.map((b) => new DataView(bytes(b).buffer))); };
  window.leave = module.default.render({ model, el: document.getElementById("panel") });
}"""


class Stage:
    """A page with one panel on it. `said` is what the console said, `asked` the requests that left the page."""

    def __init__(self, chromium, panel, *, width: int = 1240, height: int = 900, theme: str = "light"):
        self.panel, self.said, self.asked, self.sent = panel, [], [], 0
        self._out: queue.Queue = queue.Queue()
        self._in: queue.Queue = queue.Queue()
        panel.send = lambda content, buffers=None: self._out.put((content, [bytes(b) for b in buffers or ()]))
        self.page = chromium.new_page(viewport={"width": width, "height": height})
        self.page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.said.append(f"pageerror: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url) if request.url.startswith("http") else None)
        self.page.expose_function("toKernel", lambda content, buffers: self._in.put((content, [base64.b64decode(b) for b in buffers])))
        self.page.set_content(PAGE.format(light=str(theme == "light").lower()))
        colours = "".join(f"{name}:{value};" for name, value in (LIGHT if theme == "light" else DARK).items())
        self.page.add_style_tag(content=f":root{{{colours}}} body{{margin:8px;background:var(--jp-layout-color0)}}")
        self.page.add_style_tag(content=panel._css)
        self._kernel = threading.Thread(target=self._serve, daemon=True)
        self._kernel.start()
        self.page.evaluate(BRIDGE, [panel._esm, panel.frame, panel._css])
        self.settle()

    def _serve(self) -> None:
        """The kernel: one gesture after the other, in a thread of its own."""
        while (item := self._in.get()) is not None:
            self.panel.handle(*item)
            self._in.task_done()

    def pump(self) -> bool:
        """Give the page what the kernel has sent; whether there was anything."""
        moved = False
        while not self._out.empty():
            content, buffers = self._out.get()
            self.sent += sum(map(len, buffers)) + len(str(content))
            told = [content, [base64.b64encode(b).decode() for b in buffers]]
            self.page.evaluate("([content, buffers]) => window.fromKernel(content, buffers)", told)
            moved = True
        return moved

    def settle(self, quiet: float = 0.25, most: float = 20) -> Stage:
        """Let messages go to and fro until nothing has moved for a while."""
        last, end = time.monotonic(), time.monotonic() + most
        while time.monotonic() < min(last + quiet, end):
            self.page.wait_for_timeout(10)
            if self.pump() or self._in.unfinished_tasks:
                last = time.monotonic()
        return self

    def until(self, script: str, most: float = 30) -> Stage:
        """Pump until a script is true in the page."""
        end = time.monotonic() + most
        while not self.page.evaluate(script):
            if time.monotonic() > end:
                raise TimeoutError(f"not within {most} s: {script}")
            self.page.wait_for_timeout(20)
            self.pump()
        return self

    def picture(self, path) -> None:
        self.page.locator(".wb").first.screenshot(path=str(path))

    def close(self) -> None:
        self._in.put(None)
        self.page.close()
        self.panel.close()

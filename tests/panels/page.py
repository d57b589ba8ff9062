"""A page without a browser: it sends what a browser sends, and reads what a panel shows."""

from __future__ import annotations

import json

from workbench.panels.panel import Panel


class Page:
    """A page with some screens of a panel open; a gesture gives back all that they show, as one dict."""

    def __init__(self, panel: Panel, screens: tuple[str, ...] = ("what_if", "compare")):
        self.panel, self.screen, self.seq, self.sent = panel, screens[0], 0, []
        for view, screen in enumerate(screens):
            panel.handle({"do": "hello", "screen": screen, "view": f"page {view}", "seq": 0})

    def __call__(self, do: str, **values) -> dict:
        """Through the widget's own door; its answer must be JSON without NaN, and acknowledge this message."""
        self.seq += 1
        message = {"do": do, "screen": self.screen, "view": "page 0", "seq": self.seq, **values}
        heard, send = [], self.panel.send
        self.panel.send = lambda content, buffers=None: heard.append(content)
        try:
            self.panel._handle_msg({"content": {"data": {"method": "custom", "content": message}}, "buffers": []})
        finally:
            self.panel.send = send
        self.sent = [content for content in heard if content.get("ack") == ["page 0", self.seq]]
        assert self.sent and json.dumps([self.sent, self.panel.shown], allow_nan=False)
        return {**self.shown, "trouble": self.sent[-1]["trouble"]}

    @property
    def shown(self) -> dict:
        """Every part's values in one dict."""
        return {key: value for part in self.panel.shown.values() for key, value in part.items()}

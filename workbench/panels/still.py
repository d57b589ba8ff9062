"""What a saved notebook shows of a panel when its kernel is gone: a line of words, and the last picture that the page drew of itself."""

from __future__ import annotations

import base64
import html

# The page finds no model of the widget in a new kernel and says so in words of its own: those are hidden, and this is shown instead.
# While the panel lives, its own style hides this.
FRAME = """<div class="wb-still">{}</div><style>
.jp-OutputArea-child:has(.wb-still) + .jp-OutputArea-child .jupyter-widgets:not(:has(*)) {{ display: none; }}
.wb-still {{ height: 0; overflow: hidden; animation: wb-still 0s 3s forwards; }} @keyframes wb-still {{ to {{ height: auto; }} }}
.wb-still img {{ display: block; max-width: 100%; margin-top: 4px; }}
</style>"""
MOST = 400_000  # bytes of one picture: a notebook of two panels stays under 1 MB


class Still:
    """One output of a cell that is replaced whenever the page sends another picture."""

    def __init__(self, words: str):
        self.words, self._handle, self.picture = words, None, b""

    def show(self) -> None:
        """Put it into the cell that runs now."""
        from IPython.display import display

        self._handle = display(self._bundle(), raw=True, display_id=True)

    def update(self, picture: bytes, width: int) -> None:
        """Take in a WebP from the page; one that is too large, or no WebP, is left out."""
        if picture[:4] != b"RIFF" or picture[8:12] != b"WEBP" or len(picture) > MOST:
            return
        self.picture = picture
        if self._handle is not None:
            self._handle.update(self._bundle(width), raw=True)

    def _bundle(self, width: int = 0) -> dict[str, str]:
        inside = html.escape(self.words)
        if self.picture:
            data = base64.b64encode(self.picture).decode()
            inside += f'<img alt="{inside}" width="{int(width)}" src="data:image/webp;base64,{data}">'
        return {"text/html": FRAME.format(inside), "text/plain": self.words}

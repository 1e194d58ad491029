# SPDX-License-Identifier: MIT
"""Drawings in SVG, with colours for light and dark screens. They need no scripts and no fonts of their own."""
import html

STYLE = """<style>
svg{--ground:#fbfbf9;--card:#fff;--ink:#1b1f24;--soft:#5a626c;
--rule:#c9ccc6;--one:#0072b2;--two:#b34700;--three:#00705a}
@media (prefers-color-scheme:dark){svg{--ground:#14171a;--card:#1b1f23;
--ink:#e8eaec;--soft:#a2abb4;--rule:#454d55;--one:#56b4e9;--two:#f0924c;--three:#5fd1b0}}
text{font:12px system-ui,sans-serif;fill:var(--ink)}.soft{fill:var(--soft)}.small{font-size:11px}.tiny{font-size:9px}.title{font-size:14px;font-weight:600}
.ground{fill:var(--ground)}.box{fill:var(--card);stroke:var(--rule)}
.edge{fill:none;stroke:var(--soft);stroke-width:1.2}.axis{stroke:var(--soft)}.grid{stroke:var(--rule);stroke-opacity:.6}
.one{fill:var(--one)}.two{fill:var(--two)}.three{fill:var(--three)}
.line1{fill:none;stroke:var(--one);stroke-width:2}.line2{fill:none;stroke:var(--two);stroke-width:2}
.line3{fill:none;stroke:var(--three);stroke-width:2}
.half{stroke:var(--two);stroke-width:1.5;stroke-dasharray:5 3}.text1{fill:var(--one)}.text2{fill:var(--two)}.text3{fill:var(--three)}
</style>"""


class Drawing:
    def __init__(self, width, height, title, description):
        self.parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" '
                      'aria-labelledby="t d">' % (width, height, width, height),
                      '<title id="t">%s</title><desc id="d">%s</desc>' % (html.escape(title), html.escape(description)), STYLE]
        self.rect("ground", 0, 0, width, height)

    def rect(self, kind, x, y, width, height, r=0):
        self.parts.append('<rect class="%s" x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="%d"/>' % (kind, x, y, width, height, r))

    def line(self, kind, x1, y1, x2, y2):
        self.parts.append('<line class="%s" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>' % (kind, x1, y1, x2, y2))

    def curve(self, kind, points):
        self.parts.append('<polyline class="%s" points="%s"/>' % (kind, " ".join("%.1f,%.1f" % p for p in points)))

    def dot(self, kind, x, y, r=3.0): self.parts.append('<circle class="%s" cx="%.1f" cy="%.1f" r="%.1f"/>' % (kind, x, y, r))

    def arrow(self, points):
        """A path of lines that ends in an arrowhead; the last line must go down."""
        self.curve("edge", points)
        x, y = points[-1]
        self.curve("edge", [(x - 3.5, y - 5), (x, y), (x + 3.5, y - 5)])

    def text(self, x, y, words, kind="", anchor="start"):
        self.parts.append('<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (kind, x, y, anchor, html.escape(words)))

    def done(self): return "\n".join(self.parts) + "\n</svg>\n"

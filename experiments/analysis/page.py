"""The report as a page: HTML that needs nothing from outside its folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from experiments.analysis import theme
from experiments.text import as_html

#: What ``readable`` makes of numbers, percentages and missing values; only used to align them.
_NUMBER = r"(-?([\d.,]+(e[-+]\d+)?|inf)( %)?)?"
#: Marks a page as ours, so that it may be overwritten.
GENERATOR = '<meta name="generator" content="poet analyse">'

_STYLE = f"""
:root {{ color-scheme: light; --ink: {theme.INK}; --muted: #626b76; --faint: {theme.FAINT}; }}
* {{ box-sizing: border-box; }}
body {{ margin: 0; background: #f6f7f8; color: var(--ink); }}
body {{ font: 15px/1.55 system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; }}
main {{ max-width: 1180px; margin: 0 auto; padding: 40px 24px 80px; }}
h1 {{ font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }}
h2 {{ font-size: 19px; margin: 0 0 4px; }}
h3 {{ font-size: 14px; margin: 22px 0 6px; }}
p {{ margin: 0 0 12px; max-width: 78ch; }}
a {{ color: {theme.SOLVED}; }}
.lead {{ font-size: 17px; color: var(--muted); margin-bottom: 26px; }}
.how {{ color: var(--muted); font-size: 14px; }}
.note {{ border-left: 3px solid {theme.TRANSFER}; padding: 6px 14px; background: #fff; font-size: 14px; }}
section {{ background: #fff; border: 1px solid var(--faint); border-radius: 10px; }}
section {{ padding: 22px 24px; margin-top: 20px; }}
img {{ display: block; max-width: 100%; height: auto; margin-top: 10px; }}
.tiles {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(165px, 1fr)); gap: 12px; margin-top: 4px; }}
.tile {{ border: 1px solid var(--faint); border-radius: 8px; padding: 12px 14px; background: #fff; }}
.tile b {{ display: block; font-size: 23px; font-weight: 650; letter-spacing: -0.01em; }}
.tile span {{ display: block; color: var(--muted); font-size: 13px; line-height: 1.35; }}
.bar {{ display: flex; height: 20px; border-radius: 5px; overflow: hidden; margin: 10px 0 8px; }}
.key i {{ display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin: 0 6px 0 0; }}
.key span {{ margin-right: 20px; white-space: nowrap; font-size: 13px; }}
.scroll {{ overflow: auto; max-height: 620px; margin-top: 10px; }}
table {{ border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }}
th, td {{ padding: 5px 12px 5px 0; text-align: right; border-bottom: 1px solid var(--faint); white-space: nowrap; }}
th {{ position: sticky; top: 0; background: #fff; font-weight: 600; color: var(--muted); }}
td.text, th.text {{ text-align: left; }}
svg.terrain {{ display: block; background: {theme.SKY}; border-radius: 3px; }}
svg .ground {{ fill: {theme.GROUND}; }} svg .obstacle {{ fill: {theme.OBSTACLE}; }}
footer {{ color: var(--muted); font-size: 13px; margin-top: 24px; }}
"""


def make_page(title: str, lead: str, parts: Sequence[str]) -> str:
    """A whole page.

    Args:
        title, lead: plain text.
        parts: HTML, one below the other.
    """
    body = "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{GENERATOR}\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{as_html(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body><main>\n"
        f'<h1>{as_html(title)}</h1>\n<p class="lead">{as_html(lead)}</p>\n{body}\n</main></body>\n</html>\n'
    )


def section(title: str, how: str, content: str) -> str:
    """A part of a page: plain text title, one plain line on how to read it, HTML content."""
    return f'<section><h2>{as_html(title)}</h2><p class="how">{as_html(how)}</p>{content}</section>'


def image(path: str, description: str) -> str:
    """A picture by its path relative to the page."""
    return f'<a href="{as_html(path)}"><img src="{as_html(path)}" alt="{as_html(description)}"></a>'


def link(path: str, text: str, what: str) -> str:
    """A link to a file by its path relative to the page, and what is there; plain text."""
    return f'<p><a href="{as_html(path)}">{as_html(text)}</a>: {as_html(what)}</p>'


def note(text: str) -> str:
    """A line that nobody should overlook; plain text."""
    return f'<p class="note">{as_html(text)}</p>'


def tiles(values: Sequence[tuple[str, str]]) -> str:
    """The few numbers that matter, in large type, each with its meaning."""
    cells = "".join(f'<div class="tile"><b>{as_html(v)}</b><span>{as_html(name)}</span></div>' for name, v in values)
    return f'<div class="tiles">{cells}</div>'


def shares_bar(shares: Mapping[str, float]) -> str:
    """Shares of a whole as one bar with its key; the shares add up to 1."""
    colors = dict(zip(shares, theme.GROUP_COLORS * (1 + len(shares) // len(theme.GROUP_COLORS)), strict=False))
    bars = "".join(f'<i style="width:{100 * share:.2f}%;background:{colors[n]}"></i>' for n, share in shares.items())
    key = "".join(
        f'<span><i style="background:{colors[name]}"></i>{as_html(name)} {100 * share:.1f} %</span>'
        for name, share in shares.items()
    )
    return f'<div class="bar">{bars}</div><div class="key">{key}</div>'


def table(frame: pd.DataFrame, html_columns: Sequence[str] = ()) -> str:
    """A table of texts (``readable``). Words are aligned to the left, numbers to the right.

    Args:
        frame: texts.
        html_columns: those whose texts are HTML already.
    """
    is_text = {name: not frame[name].str.fullmatch(_NUMBER).all() for name in frame.columns}
    kinds = {name: ' class="text"' if is_text[name] else "" for name in frame.columns}
    head = "".join(f"<th{kinds[name]}>{as_html(name)}</th>" for name in frame.columns)
    rows = []
    for row in frame.itertuples(index=False, name=None):
        cells = zip(frame.columns, row, strict=True)
        rows.append("".join(f"<td{kinds[n]}>{x if n in html_columns else as_html(x)}</td>" for n, x in cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'

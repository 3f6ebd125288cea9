"""The frame of every page: one HTML file with its style inside that loads nothing."""

from html import escape
from pathlib import Path
from typing import Final

STYLE: Final = Path(__file__).with_name("style.css")
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def html_page(
    title: str, above: str, about: str, body: str, *styles: Path, allowed: str = ""
) -> str:
    """A whole page: head with its content-security policy, header, then ``body``.

    title: heading and name of the page. above: a line over it. Both are escaped here.
    about: HTML below the heading. body: HTML of main and footer.
    styles: further style sheets; that of all pages comes first.
    allowed: directives of the content-security policy for what this page has beyond pictures and
        style of its own; each begins with "; ".
    """
    style = "\n".join(path.read_text(encoding="utf-8") for path in (STYLE, *styles))
    heading = escape(title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}{allowed}">
<title>{heading} - facevoice</title>
<style>
{style}</style>
</head>
<body>
<header>
<p>{escape(above)}</p>
<h1>{heading}</h1>
{about}
</header>
{body}
</body>
</html>
"""

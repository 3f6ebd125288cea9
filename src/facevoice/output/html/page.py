"""The frame of every page: one HTML file with its style inside that loads nothing."""

from html import escape
from pathlib import Path
from typing import Final

from facevoice.output.html.elements import paragraphs, section

STYLE: Final = Path(__file__).with_name("style.css")
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_CARE: Final = (
    (
        "This page shows a guess about displayed expression: what a face and a voice look and sound"
        " like to one model that learned from labelled recordings. It does not show what a person"
        " feels, thinks or intends. People express themselves differently, acted recordings differ"
        " from everyday life, and the model is often wrong. Do not base a decision about a person"
        " on it."
    ),
    (
        "The law restricts inferring emotions in some uses. For example, Article 5(1)(f) of the EU"
        " AI Act (Regulation (EU) 2024/1689) prohibits AI systems that infer emotions of people at"
        " work and in education, except for medical or safety reasons."
    ),
    (
        "Pictures of a face and recordings of a voice are personal data. This page may hold"
        " pictures of faces: share it only as you would share the clip itself."
    ),
)


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


def care() -> str:
    """The section that every page about people ends with."""
    return section("Use it with care", paragraphs(_CARE), kind="care")

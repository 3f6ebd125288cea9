"""The reference of the API as a plain page: no script, nothing from elsewhere."""

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

_SENDING: Final = "The file is sent as a form, as <code>curl -F file=@clip.mp4</code> does."


def reference_page(description: Mapping[str, Any]) -> str:
    """A page about an OpenAPI description."""
    about = description["info"]
    body = "".join(_operations(description["paths"]))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<title>facevoice API</title><link rel="stylesheet" href="/page/style.css"></head>'
        f"<body><main><h1>facevoice API {escape(about['version'])}</h1>"
        f"<p>{escape(about['description'])}</p>"
        '<p>The same for programs: <a href="/openapi.json">openapi.json</a>. Every error is a'
        " problem document (RFC 9457).</p>"
        f"{body}</main></body></html>"
    )


def _operations(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, operation in methods.items():
            about = escape(operation.get("description", "")).replace("\n\n", "</p><p>")
            if "requestBody" in operation:
                about += f"</p><p>{_SENDING}"
            yield (
                f"<section><h2><code>{method.upper()} {escape(path)}</code></h2><p>{about}</p>"
                f"{_parameters(operation.get('parameters', []))}</section>"
            )


def _parameters(parameters: list[Mapping[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(each['name'])}</code></td><td>{each['in']}</td>"
        f"<td>{escape(_kind(each['schema']))}</td></tr>"
        for each in parameters
    )
    return f"<table><tr><th>Parameter</th><th>In</th><th>Value</th></tr>{rows}</table>"


def _kind(schema: Mapping[str, Any]) -> str:
    kinds = [each["type"] for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    text = " or ".join(schema.get("enum", kinds))
    default = schema.get("default")
    return text if default is None else f"{text}, {str(default).lower()} if not given"

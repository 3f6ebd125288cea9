"""ELAN annotations, EAF 3.0 (http://www.mpi.nl/tools/elan/EAFv3.0.xsd)."""

import mimetypes
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from xml.etree.ElementTree import Element, ElementTree, SubElement, indent

from facevoice.output.timeline.tables import printable
from facevoice.output.timeline.tiers import Mark, Tier, one_line, player_origin, tiers_of
from facevoice.timeline.table import Timeline
from facevoice.writing import replacing

_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_LABELS: Final = "emotions"
_LANGUAGE: Final = "und"  # labels are names of the bundle's, in no language that we know


def write_eaf(timeline: Timeline, folder: Path, source: Path) -> list[Path]:
    """Write ``NAME.eaf``, which links the media file by its place relative to the folder.

    Raises:
        FacevoiceError: the media file cannot be read, or the annotations cannot be written.
    """
    path = folder / f"{source.stem}.eaf"
    document = _document(timeline, player_origin(source), _link(source, folder), source)
    indent(document)
    with replacing(path) as temporary:
        ElementTree(document).write(temporary, encoding="UTF-8", xml_declaration=True)
    return [path]


def _link(source: Path, folder: Path) -> str:
    """Where the media file is, seen from the folder, as ELAN writes it: not percent-encoded."""
    try:
        relative = os.path.relpath(source, folder)
    except ValueError:  # another drive
        return f"file:///{printable(source.resolve().as_posix())}"
    return printable(f"./{Path(relative).as_posix()}")


def _document(timeline: Timeline, origin: float, link: str, source: Path) -> Element:
    root = Element(
        "ANNOTATION_DOCUMENT",
        {
            "AUTHOR": "facevoice",
            "DATE": datetime.now(UTC).isoformat(timespec="seconds"),
            "FORMAT": "3.0",
            "VERSION": "3.0",
            "xmlns:xsi": _INSTANCE,
            "xsi:noNamespaceSchemaLocation": _SCHEMA,
        },
    )
    tiers = tiers_of(timeline, origin)
    count = sum(len(tier.marks) for tier in tiers)
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    kind = mimetypes.guess_type(source.name)[0] or "unknown"
    # ELAN looks at MEDIA_URL first, then at the relative one: no place on this computer is told
    SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=link, MIME_TYPE=kind, RELATIVE_MEDIA_URL=link)
    last = SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId")
    last.text = str(count)
    slots = _slots(tiers)
    order = SubElement(root, "TIME_ORDER")
    for milliseconds, name in slots.items():
        SubElement(order, "TIME_SLOT", TIME_SLOT_ID=name, TIME_VALUE=str(milliseconds))
    entries = {label: f"cve{number}" for number, label in enumerate(map(one_line, timeline.labels))}
    numbers = iter(range(1, count + 1))
    for tier in tiers:
        _add_tier(root, tier, slots, entries, numbers)
    _add_types(root, tiers)
    SubElement(
        root,
        "LANGUAGE",
        LANG_DEF="http://cdb.iso.org/lg/CDB-00130975-001",
        LANG_ID=_LANGUAGE,
        LANG_LABEL="undetermined (und)",
    )
    _add_labels(root, entries)
    return root


def _milliseconds(mark: Mark) -> tuple[int, int]:
    start = round(1000 * mark.start_seconds)
    return start, max(start + 1, round(1000 * mark.stop_seconds))


def _slots(tiers: Sequence[Tier]) -> dict[int, str]:
    """A name for each instant in milliseconds, in order of time."""
    instants = sorted({at for tier in tiers for mark in tier.marks for at in _milliseconds(mark)})
    return {at: f"ts{number}" for number, at in enumerate(instants, 1)}


def _add_tier(
    root: Element,
    tier: Tier,
    slots: Mapping[int, str],
    entries: Mapping[str, str],
    numbers: Iterator[int],
) -> None:
    element = SubElement(root, "TIER", LINGUISTIC_TYPE_REF=tier.kind, TIER_ID=tier.name)
    if tier.kind != "shots":
        element.set("PARTICIPANT", tier.name.removesuffix(f" {tier.kind}"))
    for mark in tier.marks:
        start, stop = _milliseconds(mark)
        annotation = SubElement(
            SubElement(element, "ANNOTATION"),
            "ALIGNABLE_ANNOTATION",
            ANNOTATION_ID=f"a{next(numbers)}",
            TIME_SLOT_REF1=slots[start],
            TIME_SLOT_REF2=slots[stop],
        )
        if tier.kind == "emotion" and mark.text in entries:
            annotation.set("CVE_REF", entries[mark.text])
        SubElement(annotation, "ANNOTATION_VALUE").text = mark.text


def _add_types(root: Element, tiers: Sequence[Tier]) -> None:
    for kind in dict.fromkeys(tier.kind for tier in tiers):
        element = SubElement(
            root,
            "LINGUISTIC_TYPE",
            GRAPHIC_REFERENCES="false",
            LINGUISTIC_TYPE_ID=kind,
            TIME_ALIGNABLE="true",
        )
        if kind == "emotion":
            element.set("CONTROLLED_VOCABULARY_REF", _LABELS)


def _add_labels(root: Element, entries: Mapping[str, str]) -> None:
    """The labels as a vocabulary, so that ELAN offers them when someone corrects a segment."""
    vocabulary = SubElement(root, "CONTROLLED_VOCABULARY", CV_ID=_LABELS)
    SubElement(vocabulary, "DESCRIPTION", LANG_REF=_LANGUAGE)
    for label, name in entries.items():
        entry = SubElement(vocabulary, "CV_ENTRY_ML", CVE_ID=name)
        SubElement(entry, "CVE_VALUE", LANG_REF=_LANGUAGE).text = label

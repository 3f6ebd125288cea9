"""ELAN annotations, EAF 3.0 (http://www.mpi.nl/tools/elan/EAFv3.0.xsd)."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from facevoice.output.html.elements import one_line
from facevoice.output.timeline.columns import printable
from facevoice.output.timeline.film import Film
from facevoice.output.timeline.tiers import Mark, Tier, tiers_of
from facevoice.timeline.table import Timeline

_SCHEMA: Final = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
_LABELS: Final = "emotions"
_EMOTIONS: Final = frozenset({"emotion", "personal emotion"})  # kinds of tier
_LANGUAGE: Final = "und"  # undetermined: a bundle's labels may be in any language


def to_eaf(timeline: Timeline, film: Film) -> bytes:
    """Annotations of a timeline on the player's clock, which link the media file."""
    document = _document(timeline, film)
    indent(document)
    content: bytes = tostring(document, encoding="UTF-8", xml_declaration=True)
    return content


def _document(timeline: Timeline, film: Film) -> Element:
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
    tiers = tiers_of(timeline)
    count = sum(len(tier.marks) for tier in tiers)
    header = SubElement(root, "HEADER", MEDIA_FILE="", TIME_UNITS="milliseconds")
    kind, link = film.media_type("unknown"), printable(film.link())
    # ELAN looks at MEDIA_URL first, then at the relative one; neither reveals this computer's paths
    SubElement(header, "MEDIA_DESCRIPTOR", MEDIA_URL=link, MIME_TYPE=kind, RELATIVE_MEDIA_URL=link)
    SubElement(header, "PROPERTY", NAME="lastUsedAnnotationId").text = str(count)
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
        if tier.kind in _EMOTIONS and mark.text in entries:
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
        if kind in _EMOTIONS:
            element.set("CONTROLLED_VOCABULARY_REF", _LABELS)


def _add_labels(root: Element, entries: Mapping[str, str]) -> None:
    """The labels as a vocabulary, so that ELAN offers them when someone corrects a segment."""
    vocabulary = SubElement(root, "CONTROLLED_VOCABULARY", CV_ID=_LABELS)
    SubElement(vocabulary, "DESCRIPTION", LANG_REF=_LANGUAGE)
    for label, name in entries.items():
        entry = SubElement(vocabulary, "CV_ENTRY_ML", CVE_ID=name)
        SubElement(entry, "CVE_VALUE", LANG_REF=_LANGUAGE).text = label

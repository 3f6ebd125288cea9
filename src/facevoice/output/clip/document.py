"""The page itself: sections of HTML around the drawings, in one file with its style."""

from collections.abc import Iterator, Mapping
from html import escape
from importlib.metadata import version
from typing import Final

from facevoice.media import browser_type
from facevoice.output.clip import words
from facevoice.output.clip.about_model import about_model
from facevoice.output.clip.content import Clip
from facevoice.output.clip.nodes import Node, by_modality
from facevoice.output.clip.over_time import over_time
from facevoice.output.clip.stills import stills
from facevoice.output.damage import damage_sentence
from facevoice.output.html.colours import colours_of
from facevoice.output.html.elements import (
    Colours,
    bars,
    data_uri,
    facts,
    paragraphs,
    section,
)
from facevoice.output.html.page import care, html_page
from facevoice.output.person import FEW_SHOWN, REASON_CLAUSES, rests_on, unchanged
from facevoice.output.timeline.film import Film
from facevoice.output.verdict import verdict
from facevoice.output.wording import clock, duration, listed, percent
from facevoice.predict.prediction import EvidenceSummary
from facevoice.types import Modality, Scores

_HEADINGS: Final[Mapping[Modality | None, str]] = {
    "face": "What the face looks like",
    "voice": "What the voice sounds like",
    None: "Face and voice together",
}
_WIDEST_NAME: Final = 14
_KINDS: Final = {
    (True, True): "video with sound",
    (True, False): "video without sound",
    (False, True): "sound without picture",
    (False, False): "file without picture or sound",
}


def document(clip: Clip, *, title: str | None, note: str | None) -> str:
    """The whole page as HTML.

    title: heading; None uses the file's name. note: a remark below it, plain text.
    """
    colours = colours_of(clip.labels)
    sections = [
        _verdict(clip, colours),
        _personal(clip, colours),
        _player(clip),
        _branches(clip, colours),
        _faces(clip, colours),
        over_time(clip, colours),
        f'<div class="facts">{_file(clip)}{about_model(clip.bundle)}</div>',
        care(),
    ]
    remark = "" if note is None else f'<p class="note">{escape(note)}</p>'
    return html_page(
        clip.name if title is None else title,
        "Emotion in face and voice, as guessed by a model",
        f"<p>{escape(_summary(clip))}</p>\n{remark}",
        f"""<main style="--name:{_name_width(clip.labels)}ch">
{"".join(part for part in sections if part)}
</main>
<footer>
<p>Made by facevoice {escape(version("facevoice"))} on this computer; the page loads nothing from
anywhere.</p>
</footer>""",
        allowed="; media-src data:",
    )


def _player(clip: Clip) -> str:
    """The clip itself, if it is small enough to be part of the page, or pictures of it."""
    film = Film(clip.info.path, clip.info.path.parent)
    if clip.info.kind == "image" or not film.is_small():
        return ""
    media_type = browser_type(film.path)
    if media_type is None:
        return _stills(clip)
    kind = "video" if clip.info.has_video else "audio"
    return (
        f'<section class="player"><h2 class="away">The clip</h2><{kind} controls'
        f' preload="metadata" src="{escape(film.address(media_type))}"></{kind}></section>'
    )


def _stills(clip: Clip) -> str:
    """Pictures of a film that browsers do not play; nothing for sound alone."""
    if not clip.info.has_video or clip.stop_seconds <= clip.start_seconds:
        return ""
    items = []
    for time, jpeg in stills(clip.info.path, clip.span):
        when = clock(time, clip.stop_seconds)
        items.append(
            f'<li><figure><img src="{data_uri("image/jpeg", jpeg)}" alt="Picture at {when}">'
            f"<figcaption><span>{when}</span></figcaption></figure></li>"
        )
    about = "Browsers do not play this kind of file, so here are pictures of it."
    shown = f'<ul class="stills">{"".join(items)}</ul>'
    return section("The clip", shown, about) if items else ""


def _name_width(labels: tuple[str, ...]) -> int:
    """Room for the labels beside their bars, in digits; a longer one goes on a second line."""
    return min(max(map(len, labels)), _WIDEST_NAME)


def _summary(clip: Clip) -> str:
    length = duration(clip.stop_seconds - clip.start_seconds, 1)
    about = [_kind(clip), f"model {clip.bundle.name} {clip.bundle.version}"]
    return ", ".join(about if clip.info.kind == "image" else [length, *about])


def _kind(clip: Clip) -> str:
    if clip.info.kind == "image":
        return "picture"
    return _KINDS[clip.info.has_video, clip.info.has_audio]


def _verdict(clip: Clip, colours: Colours) -> str:
    scores = clip.root.scores
    unsure = clip.prediction.abstained
    sentences = words.verdict(clip.root, clip.bundle.abstain_below if unsure else None)
    text = f'<p class="first">{escape(sentences[0])}</p>{paragraphs(sentences[1:])}'
    answer = '<p class="answer">No answer</p>'
    table = ""
    if scores is not None:
        answer = _answer(scores, colours, unsure=unsure)
        table = f"<div>{bars(scores, colours, 'Fused scores by emotion')}</div>"
    return (
        f'<section class="verdict"><div><h2>{escape(words.verdict_heading(clip.root))}</h2>'
        f"{answer}{text}</div>{table}{_whose(clip)}{_missing(clip)}</section>"
    )


def _whose(clip: Clip) -> str:
    """Whose face the answer is about, where several people are in view."""
    evidence = clip.prediction.evidence
    if evidence is None or evidence.people < 2 or not clip.faces:
        return ""
    face = clip.faces[len(clip.faces) // 2]
    about = (
        f"Up to {evidence.people} people are in view at once. The answer is about this one: the"
        " main person, whose face is the largest and clearest over time."
    )
    if clip.info.kind == "image":
        about = (
            f"{evidence.people} people are in view. The answer is about this one: the main person,"
            " whose face is the largest and clearest."
        )
    elif clip.prediction.windows > 1:
        about += " It is chosen in each window anew, so it may be somebody else at other times."
    picture = data_uri("image/jpeg", face.jpeg)
    return (
        f'<div class="whose"><img src="{picture}" width="72" height="72" alt="Face of the main'
        f' person"><p>{about}</p></div>'
    )


def _personal(clip: Clip, colours: Colours) -> str:
    """The answer beside the plain one, or why there is none; nothing if nobody asked."""
    heading = "Compared with this person's own usual self"
    personal, reason = clip.prediction.personal, clip.prediction.personal_reason
    if reason is not None:
        about = f"No personal answer: {REASON_CLAUSES[reason]}."
        return section(heading, f"<p><code>{reason}</code></p>", about)
    if personal is None:
        return ""
    about = (
        f"Read against {rests_on(personal.clips, personal.seconds)} of the same person. The answer"
        " above does without."
    )
    if unchanged([(personal, clip.prediction.scores)]):
        about += f" Both are the same: {FEW_SHOWN}."
    answer = _answer(personal.scores, colours)
    return section(
        heading, answer + bars(personal.scores, colours, "Personal scores by emotion"), about
    )


def _answer(scores: Scores, colours: Colours, *, unsure: bool = False) -> str:
    """The verdict in large letters."""
    said, between = verdict(scores, unsure=unsure), scores.undecided
    if between is None or unsure:
        return f'<p class="answer c{colours[scores.emotion]}">{escape(said)}</p>'
    both = " and ".join(map(escape, between))
    return f'<p class="answer">{said}</p><p class="between">between {both}</p>'


def _missing(clip: Clip) -> str:
    items = [
        f"<li><b>No {modality}.</b> {escape(words.reason(code, clip))} <code>{code}</code></li>"
        for modality, code in clip.prediction.missing.items()
    ]
    items += [f"<li>{escape(text)}</li>" for text in words.gaps(clip)]
    if clip.prediction.damage:
        items.append(f"<li>{escape(damage_sentence(clip.prediction.damage))}</li>")
    tracks = clip.prediction.audio_tracks
    if tracks is not None and tracks.hint:
        items.append(f"<li>{escape(tracks.hint)}</li>")
    return f'<ul class="missing">{"".join(items)}</ul>' if items else ""


def _branches(clip: Clip, colours: Colours) -> str:
    groups = "".join(
        f"<h3>{_HEADINGS[modality]}</h3>{_group(nodes, clip, colours)}"
        for modality, nodes in by_modality(clip.root)
    )
    about = (
        "The model consults several branches; each scores every label on its own, and the scores of"
        " one branch add up to 100%. The result is fused from them."
    )
    return section("Where the answer comes from", groups, about)


def _group(nodes: tuple[Node, ...], clip: Clip, colours: Colours) -> str:
    """Panels of what one modality's branches say; one line if none of them has scores."""
    if any(node.scores is not None for node in nodes):
        panels = _panels(nodes, clip.root, "the result", clip, colours)
        return f'<div class="panels">{"".join(panels)}</div>'
    names = listed([words.readable(each.name) for node in nodes for each in node.walk()])
    because = words.silent_because(nodes[0], clip)
    return f'<p class="mute">No answer from {escape(names)}. {escape(because)}</p>'


def _panels(
    nodes: tuple[Node, ...], whole: Node, name: str, clip: Clip, colours: Colours
) -> Iterator[str]:
    """A panel for each node and, behind it, for its members; a lone leaf is its blend's panel.

    whole: what the nodes are parts of. name: what it is called.
    """
    for node in nodes:
        role = words.role(node, whole, name)
        if node.scores is None:
            because = words.silent_because(node, clip)
            body = f"<p>{escape(f'{role} No answer. {because}'.strip())}</p>"
        else:
            body = f"<p>{escape(role)}</p>{bars(node.scores, colours, f'Scores of {node.name}')}"
        kind = "panel" if node.scores is not None else "panel mute"
        yield f'<div class="{kind}"><h4>{escape(words.readable(node.name))}</h4>{body}</div>'
        if len(node.members) > 1 or any(member.members for member in node.members):
            yield from _panels(node.members, node, words.readable(node.name), clip, colours)


def _faces(clip: Clip, colours: Colours) -> str:
    if not clip.faces:
        return ""
    timed = clip.info.kind != "image"
    items = []
    for face in clip.faces:
        when = clock(face.time_seconds, clip.stop_seconds) if timed else ""
        seen, colour = "", ""
        if face.emotion is not None and face.score is not None:
            seen = f"<b>{escape(face.emotion)}</b> {percent(face.score)}"
            colour = f' class="c{colours[face.emotion]}"'
        alt = f"Aligned face at {when}" if timed else "Aligned face"
        items.append(
            f'<li><figure{colour}><img src="{data_uri("image/jpeg", face.jpeg)}" width="112"'
            f' height="112" alt="{alt}"><figcaption>{seen}<span>{when}</span></figcaption>'
            f"</figure></li>"
        )
    whose = "the main person" + (" of each window" if clip.prediction.windows > 1 else "")
    about = f"Faces of {whose}, upright and cropped alike, as the branches receive them."
    if clip.face_branch is not None:
        branch = words.readable(clip.face_branch)
        about += f" Below each: what the branch “{branch}” recognises in that picture alone."
    heading = "The faces over time" if len(clip.faces) > 1 else "The face"
    return section(heading, f'<ul class="faces">{"".join(items)}</ul>', about)


def _file(clip: Clip) -> str:
    info, prediction, evidence = clip.info, clip.prediction, clip.prediction.evidence
    rows = {"Name": clip.name, "Kind": _kind(clip)}
    if info.kind != "image":
        whole = prediction.duration_seconds
        rows |= {
            "Duration": "unknown" if whole is None else duration(whole, 1),
            "Analysed": " to ".join(clock(at, clip.stop_seconds) for at in clip.span),
            "Windows": f"{prediction.windows}",
        }
    if info.width:
        rate = "" if info.frame_rate_hz is None else f", {info.frame_rate_hz:.4g} frames per second"
        rows["Picture"] = f"{info.width} x {info.height}{rate}"
    if info.audio_rate_hz is not None:
        rows["Sound"] = f"{info.audio_rate_hz} Hz"
    if evidence is not None and (info.has_video or info.kind == "image"):
        people = f"{evidence.people} at one time" if evidence.people else "none seen"
        rows |= {"People": people, "Main person": _main_person(clip, evidence)}
    if evidence is not None and info.has_audio:
        spoken = evidence.speech_seconds
        rows["Speech"] = duration(spoken, 1) if spoken else "none found"
    return section("The file", facts(rows.items()))


def _main_person(clip: Clip, evidence: EvidenceSummary) -> str:
    if evidence.box is None:
        return "none found"
    left, top, right, bottom = evidence.box
    size = f"a face of about {right - left:.0f} x {bottom - top:.0f} pixels"
    if clip.info.kind == "image":
        return size
    return f"{size}, seen for {duration(evidence.face_seconds, 1)} ({evidence.face_frames} frames)"

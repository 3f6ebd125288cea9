"""A bundle -> one whose networks run in int8, wherever that leaves a branch's scores as they are.

Ranges come from some samples of a prepared folder, read by each branch as a prediction reads them.
Other samples of the folder, of other groups (speakers), judge: a branch whose scores change keeps
its networks.
"""

import dataclasses
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from facevoice import __version__
from facevoice.branches import Branch, leaves
from facevoice.branches.base import Leaf
from facevoice.branches.speech_encoder import CENTRED_MODEL
from facevoice.branches.tree import members_of, named_leaves
from facevoice.bundle import Bundle, load_bundle
from facevoice.bundle.files import files_named
from facevoice.bundle.trained_on import Lessons, lessons_of, read_lessons, write_lessons
from facevoice.bundle.write import check_place, files_of, new_bundle, write_card
from facevoice.session import Session
from facevoice.train.export.static_int8 import obstacle, quantise
from facevoice.train.prepare.folder import Prepared

LARGEST_CHANGE: Final = 0.01
"""Of a branch's scores, on average over held-out clips and labels."""
LEAST_SAME: Final = 0.99
"""Share of held-out clips in which the branch must give the same label as before."""
_ROUNDS: Final = 5
_TIMING_SECONDS: Final = 3.0
_MOST_CHECKED: Final = 400

Rows = NDArray[np.intp]
Node = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What quantising a branch gave.

    reason: why it stays as it was; "" if it is in int8.
    clips: held-out clips that it scored, both ways.
    change: mean absolute change of their scores. same: share of them with the same label.
    sizes: bytes of its own networks, before and after.
    milliseconds: of its own networks on one clip, before and after, the least of several runs.

    Where nothing could be tried, clips is 0 and the figures mean nothing.
    """

    name: str
    reason: str
    clips: int = 0
    change: float = 0.0
    same: float = 1.0
    sizes: tuple[int, int] = (0, 0)
    milliseconds: tuple[float, float] = (0.0, 0.0)

    def to_dict(self) -> dict[str, Any]:
        """As the provenance holds it: no times, which are those of one machine."""
        found: dict[str, Any] = {"int8": not self.reason}
        if self.reason:
            found["reason"] = self.reason
        if self.clips:
            found |= {"clips": self.clips, "mean_change": round(self.change, 5)}
            found |= {"same_label": round(self.same, 4), "bytes": list(self.sizes)}
        return found


def quantize(
    bundle: str | Path,
    data: Prepared,
    output: Path,
    *,
    name: str = "",
    shared_parts: bool = False,
    clips: int = 64,
    limits: tuple[float, float] = (LARGEST_CHANGE, LEAST_SAME),
    report: Callable[[Outcome], None] | None = None,
) -> tuple[Outcome, ...]:
    """Write a bundle in int8; what each branch came to, in order.

    Nothing is written if no branch can be in int8.

    Args:
        bundle: name or folder.
        data: samples to find ranges on and to judge by.
        output: the new folder; it appears under its name when all of it is written and loads.
        name: of the new bundle; "": the old name and "-int8".
        shared_parts: leave out networks that ship with the package, see ``bundle.files``.
        clips: samples that ranges are found on, of each branch.
        limits: the largest mean change of scores and the least share of the same labels with which
            a branch goes into int8.
        report: told of each branch as it is done.

    Raises:
        BundleError: no such bundle, or something other than a bundle is at ``output``.
        MissingDependencyError: a branch needs an extra that is not installed.
        OutputError: the folder cannot be written.
    """
    check_place(output, overwrite=True)
    base = load_bundle(bundle)
    base.check_extras()
    ranging, judging = parted(data)
    tree = base.card["tree"]
    named = named_leaves(tree) or {str(tree["name"]): tree}
    outcomes, made = [], []
    with tempfile.TemporaryDirectory(prefix="facevoice-") as work:
        for (branch_name, node), branch in zip(named.items(), leaves(base.tree), strict=True):
            ranged = _evenly(_readable(branch, data, ranging), clips)
            judged = _evenly(_readable(branch, data, judging), _MOST_CHECKED)
            outcome, new = _tried(
                branch_name, node, branch, data, (ranged, judged), limits, Path(work)
            )
            outcomes.append(outcome)
            made.append(new)
            if report is not None:
                report(outcome)
        if not all(outcome.reason for outcome in outcomes):
            card = _card(base, outcomes, data) | {
                "name": name or f"{base.name}-int8", "tree": _replaced(tree, iter(made)),
            }  # fmt: skip
            lessons = _lessons(base, data, np.union1d(ranging, judging))
            _write(base, card, lessons, Path(work), output, shared_parts=shared_parts)
    return tuple(outcomes)


def parted(data: Prepared) -> tuple[Rows, Rows]:
    """Rows to find ranges on, and rows to judge by: those for validation, else half.

    The half is every second group, so that nobody is on both sides; every second sample where
    there is one group. Test samples are read only where there are no others.
    """
    splits = np.array(data.splits)
    for_tests = splits == "test"
    usable = np.flatnonzero(~for_tests | for_tests.all())
    judging = splits[usable] == "val"
    if judging.all() or not judging.any():
        groups = np.array(data.groups)[usable]
        names = np.unique(groups)
        judging = np.isin(groups, names[1::2])
        if len(names) == 1:
            judging = np.arange(len(groups)) % 2 == 1
    return usable[~judging], usable[judging]


def _readable(branch: Branch, data: Prepared, rows: Rows) -> Rows:
    if branch.modality is None:
        return rows
    present: Rows = rows[data.has(branch.modality)[rows]]
    return present


def _evenly(rows: Rows, most: int) -> Rows:
    if len(rows) <= most:
        return rows
    chosen: Rows = rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return chosen


@dataclass(frozen=True, slots=True)
class _Network:
    """A network of a branch. field: of the branch that holds it. key: of the node that names it."""

    field: str
    key: str
    path: Path


def _networks(branch: Leaf, node: Node) -> list[_Network]:
    """The networks that a branch runs itself; encoders and meshes that it reads are not its own.

    Nor is a second model, for people with a baseline: plain scores, by which branches are judged,
    say nothing of it.
    """
    found = []
    for field in dataclasses.fields(branch):
        session = getattr(branch, field.name)
        if isinstance(session, Session):
            keys = [key for key, value in node.items() if value == session.path.name]
            if keys[0] != CENTRED_MODEL:
                found.append(_Network(field.name, keys[0], session.path))
    return found


class _Recorder(Session):
    """A network that keeps the inputs it is run on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.seen: list[NDArray[Any]] = []

    def run(self, *arrays: NDArray[Any]) -> Sequence[NDArray[np.float32]]:
        self.seen.append(arrays[0])
        return super().run(*arrays)


def _inputs(branch: Leaf, network: _Network, data: Prepared, rows: Rows) -> Iterator[NDArray[Any]]:
    """What a network is run on as its branch scores clips."""
    recorder = _Recorder(network.path)
    listening = _with(branch, {network.field: recorder})
    for _, evidence in data.evidences(map(int, rows)):
        listening.score(evidence)
        yield from recorder.seen
        recorder.seen.clear()


def _with(branch: Leaf, sessions: Mapping[str, Session]) -> Branch:
    """A branch that runs other networks, by its fields."""
    others: dict[str, Any] = dict(sessions)
    found = dataclasses.replace(branch, **others)
    if not isinstance(found, Branch):
        raise TypeError(f"{found!r} scores no evidence")
    return found


def _tried(
    name: str,
    node: Node,
    branch: Branch,
    data: Prepared,
    rows: tuple[Rows, Rows],
    limits: tuple[float, float],
    work: Path,
) -> tuple[Outcome, dict[str, Any]]:
    """Quantise one branch and judge it; its outcome and its node."""
    if not isinstance(branch, Leaf):
        return Outcome(name, "it runs no network"), dict(node)
    networks = _networks(branch, node)
    obstacles = {network.path.name: obstacle(network.path) for network in networks}
    fit = [network for network in networks if not obstacles[network.path.name]]
    if not fit:
        said = "; ".join(f"{file} {text}" for file, text in obstacles.items())
        return Outcome(name, said or "it runs no network of its own"), dict(node)
    ranging, judging = rows
    for some, purpose in ((ranging, "find ranges on"), (judging, "judge by")):
        if not len(some):
            return Outcome(name, f"no clip has a {branch.modality} to {purpose}"), dict(node)
    new_node, sessions = dict(node), {}
    for network in fit:
        file = f"{name}_int8.onnx" if network.key == "model" else f"{name}_{network.key}_int8.onnx"
        quantise(network.path, work / file, _inputs(branch, network, data, ranging))
        new_node[network.key] = file
        sessions[network.field] = Session(work / file)
    outcome = _judged(name, branch, fit, sessions, data, judging, limits)
    return outcome, dict(node) if outcome.reason else new_node


def _judged(
    name: str,
    branch: Leaf,
    fit: Sequence[_Network],
    sessions: Mapping[str, Session],
    data: Prepared,
    rows: Rows,
    limits: tuple[float, float],
) -> Outcome:
    """Compare a branch with itself in int8."""
    old, new, changes, same = _with(branch, {}), _with(branch, sessions), [], []
    for _, evidence in data.evidences(map(int, rows)):
        before, after = old.score(evidence), new.score(evidence)
        if before is not None and after is not None:
            changes.append(float(np.abs(before.values - after.values).mean()))
            same.append(before.emotion == after.emotion)
    change, share = float(np.mean(changes)), float(np.mean(same))
    failed = []
    largest, least = limits
    if change > largest:
        failed.append(f"its scores would change by more than {largest}")
    if share < least:
        failed.append(f"its label would be the same in less than {least:.0%} of clips")
    return Outcome(
        name,
        " and ".join(failed),
        len(changes),
        change,
        share,
        (
            sum(network.path.stat().st_size for network in fit),
            sum(session.path.stat().st_size for session in sessions.values()),
        ),
        _milliseconds(branch, fit, sessions, data, rows),
    )


def _milliseconds(
    branch: Leaf,
    fit: Sequence[_Network],
    sessions: Mapping[str, Session],
    data: Prepared,
    rows: Rows,
) -> tuple[float, float]:
    """What the networks take for one clip, before and after, run in turn."""
    totals = np.zeros(2)
    for network in fit:
        inputs = list(_inputs(branch, network, data, rows[:1]))
        least = np.full(2, np.inf)
        stop = time.perf_counter() + _TIMING_SECONDS
        for round_ in range(_ROUNDS):
            if round_ and time.perf_counter() > stop:
                break
            for place, session in enumerate(
                (getattr(branch, network.field), sessions[network.field])
            ):
                began = time.perf_counter()
                for values in inputs:
                    session.run(values)
                least[place] = min(least[place], time.perf_counter() - began)
        totals += 1000 * least
    return float(totals[0]), float(totals[1])


def _replaced(node: Node, made: Iterator[dict[str, Any]]) -> dict[str, Any]:
    """A tree with other leaves, in order."""
    if not members_of(node):
        return next(made)
    return {**node, "members": [_replaced(member, made) for member in members_of(node)]}


def _lessons(base: Bundle, data: Prepared, rows: Rows) -> Lessons | None:
    """What taught the bundle, and the clips that chose its ranges; None if it does not say."""
    earlier = read_lessons(base.folder)
    if earlier is None:
        return None
    chosen = lessons_of(data.keys(), rows.astype(np.int64))
    return earlier + Lessons(earlier.learnt[:0], chosen.every)


def _write(
    base: Bundle,
    card: dict[str, Any],
    lessons: Lessons | None,
    work: Path,
    output: Path,
    *,
    shared_parts: bool,
) -> None:
    tree = card["tree"]
    own = (base.folder / name for name in files_named(tree, base.card["files"]))
    kept = [path for path in own if path.exists()]  # shared parts are not in the folder
    made = [path for path in work.glob("*.onnx") if files_named(tree, {path.name: ""})]
    texts = [
        path for pattern in ("*.md", "LICENSE*", "NOTICE*") for path in base.folder.glob(pattern)
    ]
    with new_bundle(output) as folder:
        for path in (*kept, *made, *texts):
            shutil.copyfile(path, folder / path.name)
        if lessons is not None:
            write_lessons(folder, lessons)
        files = files_of(folder, tree, shared_parts=shared_parts)
        write_card(folder, card | {"files": files})


def _card(base: Bundle, outcomes: Sequence[Outcome], data: Prepared) -> dict[str, Any]:
    """The old card without what was measured with the old networks, and with what was done."""
    quantised = ", ".join(outcome.name for outcome in outcomes if not outcome.reason)
    source = {"name": base.name, "version": base.version, "sha256": base.sha256}
    provenance = base.card["provenance"] | {
        "quantised": {
            "made_with": f"facevoice {__version__}",
            "from": source,
            "calibration": {
                **{key: data.meta.get(key, "") for key in ("corpus", "licence")},
                "fingerprint": data.fingerprint,
            },
            "branches": {outcome.name: outcome.to_dict() for outcome in outcomes},
        }
    }
    card = {key: value for key, value in base.card.items() if key != "measured"}
    text = f"{base.card.get('description', '')} In int8: {quantised}.".strip()
    return card | {"description": text, "provenance": provenance}

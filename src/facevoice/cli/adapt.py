"""facevoice adapt: a few labelled clips -> a bundle fitted to their speakers and cameras."""

import argparse
from pathlib import Path
from typing import Any, Final

from facevoice.cli.console import ProgressLine, say, show, when_interrupted
from facevoice.cli.options import add_overwrite_option, natural, positive
from facevoice.errors import MissingDependencyError

_VERDICTS: Final = {
    (True, False): "",
    (True, True): "; new",
    (False, False): "; no better than the original, which stays",
    (False, True): "; new, but no better with it: left out",
}
"""By whether a branch is used, and whether it is new."""


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "adapt", help="refit a bundle's last layers, fusion and calibration to clips (extra train)"
    )
    command.add_argument("bundle", metavar="NAME|FOLDER", help="the bundle to start from")
    command.add_argument(
        "--data",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="labelled clips, as facevoice prepare makes them",
    )
    command.add_argument("-o", "--output", type=Path, required=True, help="the bundle folder")
    command.add_argument(
        "--temporal",
        choices=("choose", "moments", "blstm"),
        default="choose",
        help="what reads faces over time (default: what does better on held-out groups)",
    )
    command.add_argument(
        "--views",
        type=positive,
        default=4,
        metavar="N",
        help="changed copies of each clip to learn from, the clip itself included (default: 4)",
    )
    command.add_argument(
        "--seed", type=natural, default=0, help="of all that is random (default: 0)"
    )
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Adapt, and print what it gained out of fold."""
    from facevoice.bundle import read_card
    from facevoice.bundle.write import check_place
    from facevoice.train.prepare.folder import open_prepared

    data = open_prepared(options.data)
    check_place(options.output, overwrite=options.overwrite)
    try:
        from facevoice.train.adapt.fit import Settings
        from facevoice.train.adapt.run import adapt
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(str(error.name), "train", "adapting") from None
    settings = Settings(options.views, options.seed, options.temporal)
    with (
        when_interrupted(lambda: f"nothing is kept; {options.output} is as it was"),
        ProgressLine("clips read") as read,
        ProgressLine("steps of fitting") as fitted,
    ):
        folder = adapt(options.bundle, data, options.output, settings, read, fitted)
    card = read_card(folder)
    show(table(card["figures"]))
    told = card["provenance"]["adapted"]
    for name, facts in told["chosen"].items():
        say(f"{name}: {facts['kind']}{_VERDICTS[facts['used'], facts['added']]}")
    for note in told["notes"]:
        say(note)
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0


def table(figures: dict[str, Any]) -> str:
    """Out-of-fold figures, one node a line."""
    width = max(map(len, figures))
    lines = [f"{'':{width}}  clips    WAR  95 %           UAR  log-loss"]
    lines += [
        f"{name:{width}}  {each['count']:5d}  {each['war']:.3f}"
        f"  {each['war_low']:.3f}-{each['war_high']:.3f}  {each['uar']:.3f}"
        f"  {each['log_loss']:8.3f}"
        for name, each in figures.items()
    ]
    return "\n".join(lines)

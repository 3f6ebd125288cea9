"""facevoice reweigh: a bundle and a fitted fusion -> the same networks under new weights."""

import argparse
from pathlib import Path

from facevoice.cli.console import say
from facevoice.cli.options import add_overwrite_option


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "reweigh", help="copy a bundle with the weights that facevoice fuse found"
    )
    command.add_argument("bundle", metavar="NAME|FOLDER", help="the bundle")
    command.add_argument("--weights", type=Path, required=True, metavar="FILE",
                         help="weights.json from facevoice fuse")  # fmt: skip
    command.add_argument("-o", "--output", type=Path, required=True, help="the new bundle folder")
    command.add_argument("--allow-trained", action="store_true",
                         help="also take weights fitted on clips that taught it")  # fmt: skip
    add_overwrite_option(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Write the bundle and print where it is."""
    from facevoice.bundle.reweigh import reweighted
    from facevoice.bundle.write import check_place
    from facevoice.scores.table import not_looked_for
    from facevoice.scores.weights_file import read_weights

    check_place(options.output, overwrite=options.overwrite)
    fitted = read_weights(options.weights)
    if fitted.fitted_on is not None and fitted.fitted_on.taught is None:
        whether = "the clips that the weights were fitted on taught what scored them"
        say(not_looked_for(whether, "the weights do not say"))
    folder = reweighted(options.bundle, fitted, options.output, allow_trained=options.allow_trained)
    say(f"bundle written to {folder}; try: facevoice predict CLIP --bundle {folder}")
    return 0

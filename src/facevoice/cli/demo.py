"""facevoice demo: the whole system on the sample clip that ships."""

import argparse
from pathlib import Path

from facevoice.cli.console import show
from facevoice.cli.options import add_model_options, add_overwrite_option, page_file
from facevoice.writing import check_file

NOTE = (
    "The sample is a still photograph animated by a script, with a synthetic voice: it shows that"
    " the system works and says nothing about the person in the picture."
)


def add(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Declare the verb."""
    command = verbs.add_parser(
        "demo", help="run the whole system on the sample clip and write a report page"
    )
    command.add_argument(
        "-o",
        "--output",
        type=page_file,
        default=Path("demo.html"),
        metavar="FILE",
        help="the page to write (default: demo.html)",
    )
    add_overwrite_option(command)
    add_model_options(command)
    command.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Predict the sample, print the table, write the page."""
    from facevoice.output.clip import write_clip_page
    from facevoice.output.predictions.text import render
    from facevoice.predict import load
    from facevoice.samples import SAMPLE

    check_file(options.output, overwrite=options.overwrite)
    predictor = load(options.bundle, device=options.device, threads=options.threads)
    prediction = write_clip_page(predictor, SAMPLE, options.output, title="Demo", note=NOTE)
    show(render(prediction, predictor.bundle.tree))
    show(NOTE)
    show(f"The report page is {options.output}: open it in a browser.")
    show("Next: facevoice predict YOUR_VIDEO.mp4")
    return 0

"""How a run went, as a picture: loss, and validation WAR and UAR, by epoch and stage."""

from pathlib import Path

from facevoice.train.fit.run_folder import read_log
from facevoice.writing import replacing


def draw_curves(run: Path) -> Path | None:
    """Draw ``curves.png`` from ``log.jsonl``.

    Returns its path; None without a line to draw or without matplotlib, which a machine that
    only trains may lack.

    Raises:
        OutputError: it cannot be written.
    """
    lines = [line for line in read_log(run) if "loss" in line]
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import, and optional
    except ModuleNotFoundError:
        return None
    if not lines:
        return None
    stages = list(dict.fromkeys(str(line["stage"]) for line in lines))
    figure = Figure(figsize=(4.2 * len(stages), 5.2), layout="constrained")
    axes = figure.subplots(2, len(stages), sharex="col", squeeze=False)
    for column, stage in enumerate(stages):
        of_stage = [line for line in lines if line["stage"] == stage]
        epochs = [line["epoch"] for line in of_stage]
        above, below = axes[0][column], axes[1][column]
        above.plot(epochs, [line["loss"] for line in of_stage], color="#444444", marker=".")
        above.set(title=f"stage {stage}", ylabel="training loss" if column == 0 else None)
        for key, colour in (("val_war", "#0072b2"), ("val_uar", "#d55e00")):
            values = [100 * line[key] for line in of_stage]
            below.plot(epochs, values, color=colour, marker=".", label=key[4:].upper())
        below.set(xlabel="epoch", ylim=(0, 100), ylabel="validation, %" if column == 0 else None)
        below.xaxis.get_major_locator().set_params(integer=True)
        below.legend(frameon=False)
        for axis in (above, below):
            axis.grid(alpha=0.3)
            axis.spines[["top", "right"]].set_visible(False)
    path = run / "curves.png"
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=110)
    return path

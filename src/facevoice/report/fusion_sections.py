"""The page's sections about the fusion itself: weights, ablation, rare classes."""

from html import escape

from facevoice.report import draw, words
from facevoice.report.card import NodeWeights, ReportCard
from facevoice.report.words import p_value, percent, points


def weights_section(card: ReportCard) -> str:
    """Each node's weights with their spread, and the search over all branches at once."""
    if not card.weights:
        return draw.section("Weights", "", f"<p>{escape(words.searched(card))}</p>")
    about = words.searched(card)
    if any(node.folds is not None for node in card.weights):
        about += " Each tick is the share found when one fold was held out."
    if any(node.lowest is not None for node in card.weights):
        about += (
            " “Equally good” is the range of each weight over all vectors that do as well on the"
            " clips fitted on: a wide range means that these clips do not determine the weight."
        )
    nodes = "".join(_node(node) for node in card.weights)
    return draw.section("Weights", about, nodes + _joint(card))


def _node(node: NodeWeights) -> str:
    if len(node.members) == 1:
        return (
            f"<h3>{escape(node.name)} <small>only {escape(node.members[0])}: its weight has no"
            " effect</small></h3>"
        )
    rows = []
    for place, member in enumerate(node.members):
        folds = None if node.folds is None else node.folds[:, place]
        cells = [
            escape(member),
            draw.share_bar(node.share[place], folds),
            f"{percent(node.share[place])} %",
            words.weight(node.weights[place]),
        ]
        if node.lowest is not None and node.highest is not None:
            cells.append(f"{node.lowest[place]:g} – {node.highest[place]:g}")
        if folds is not None:
            cells.append(f"{percent(folds.min(), 0)} – {percent(folds.max(), 0)} %")
        rows.append(cells)
    head = ["", "", "Share", "Weight"]
    head += ["Equally good"] if node.lowest is not None else []
    head += ["In the folds"] if node.folds is not None else []
    facts = ["product"] if node.rule == "product" else []
    if node.optimal is not None:
        facts.append(f"{node.optimal:,} equally good weight vectors")
    adjustment = node.adjustment
    if adjustment.temperature != 1:
        facts.append(f"temperature {adjustment.temperature:.2f}")
    if adjustment.class_scale:
        facts.append("vector scaling")
    elif adjustment.class_offsets:
        facts.append("class offsets")
    noted = f" <small>{'; '.join(facts)}</small>" if facts else ""
    return f'<h3>{escape(node.name)}{noted}</h3><div class="weights">{draw.table(head, rows)}</div>'


def _joint(card: ReportCard) -> str:
    joint = card.joint
    if joint is None:
        return ""
    rows = [[escape(name), *shares] for name, *shares in words.joint_rows(card, joint)]
    return (
        "<h3>For comparison: all branches searched at once</h3>"
        f'<p class="about">{escape(words.joint(joint))}</p>'
        f'<div class="weights">{draw.table(["", "Node by node", "At once"], rows)}</div>'
    )


def ablation_section(card: ReportCard) -> str:
    """Each branch left out in turn."""
    if not card.ablation:
        return ""
    rows = [
        [
            f"without {escape(each.branch)}",
            percent(each.uar.without),
            points(-each.uar.test.difference),
            p_value(each.uar.test),
            percent(each.war.without),
            points(-each.war.test.difference),
            p_value(each.war.test),
        ]
        for each in card.ablation
    ]
    unit = "groups" if card.by_group else "clips"
    return draw.section(
        "What each branch contributes",
        "One branch is left out, the weights of the others are scaled up. Changes are in points"
        f" against the whole fusion; p: two-sided paired permutation test over {unit}, not"
        " corrected for the number of tests.",
        draw.table(["", "UAR %", "change", "", "WAR %", "change", ""], rows),
    )


def rare_section(card: ReportCard) -> str:
    """What offsets for rare classes, or vector scaling, change."""
    rare = card.rare
    if rare is None:
        return ""
    rows = [
        [name, percent(one), percent(two), points(two - one), ""]
        for name, one, two in (
            ("UAR", rare.before.uar, rare.after.uar),
            ("WAR", rare.before.war, rare.after.war),
            ("Macro-F1", rare.before.macro_f1, rare.after.macro_f1),
        )
    ]
    rows[0][4] = p_value(rare.test)
    rows += [
        [f"Recall of {escape(label)}", *changed, words.factor(rare, place)]
        for place, (label, *changed) in enumerate(words.recalls(rare))
    ]
    body = draw.table(["%", "without", "with", "change", ""], rows)
    return draw.section("Rare classes", words.rare(card, rare), body)

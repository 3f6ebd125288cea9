"""The documentation does not rot: commands parse, names import, figures are the bundle's."""

import ast
import importlib
import importlib.util
import re
import shlex
import shutil

import pytest
from docs_commands import PAGES, blocks, blocks_of_commands
from run_docs_commands import SUBSTITUTIONS

import facevoice
from facevoice.bundle import SHIPPED, read_card
from facevoice.cli import main, parser
from facevoice.samples import SAMPLE
from support.places import DOCS

ROOT = DOCS.parent


def commands(path):
    """Each command line that begins with facevoice, as words, without comments and pipes."""
    inline = re.findall(r"`(facevoice [^`]*)`", path.read_text(encoding="utf-8"))
    lines = [line for block in blocks(path) if block.language == "" for line in block.lines]
    for line in (*lines, *inline):
        found = re.match(r"\W*(?:uv run --no-dev )?facevoice +([a-z].*)", line.replace("\n", " "))
        if found and "..." not in found[1]:
            words = shlex.split(found[1], comments=True)
            stops = [at for at, word in enumerate(words) if word in {"|", "<", ">", "&&"}]
            words = words[: min(stops, default=len(words))]
            named = len(words) == 1 and words[0] != "demo"  # a verb in a sentence
            yield [*words, "--help"] if named else words


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_command_parses(path, capsys):
    refused = []
    for words in commands(path):
        try:
            parser().parse_args(words)
        except SystemExit as end:
            if end.code:
                refused.append((words, capsys.readouterr().err))
    assert refused == []


def test_commands_are_found():
    assert sum(len(list(commands(path))) for path in PAGES) > 60
    run = [block for block in blocks_of_commands() if not block.reason]
    assert sum(len(block.commands) for block in run) > 60  # by scripts/run_docs_commands.py


def test_a_comment_before_a_block_says_why_it_is_not_run(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A page\n\n<!-- not run: needs\n     a camera -->\n"
        "```\nfacevoice live 0 \\\n   --hop 1  # here\n\n```\n\n"
        "```\nfacevoice doctor\n```\n\n    ```\n    FACEVOICE_DATA=x uv run a.py\n    ```\n"
        "```python\nfacevoice = 1\n```\n\n```\nid,branch\nfacevoice,1\n```\n"
    )
    found = list(blocks(page))
    assert [block.line for block in found] == [5, 11, 15, 18, 22]
    assert [block.reason for block in found] == ["needs a camera", "", "", "", ""]
    assert [block.commands for block in found] == [
        ["facevoice live 0  --hop 1"],
        ["facevoice doctor"],
        ["FACEVOICE_DATA=x uv run a.py"],
        [],
        [],
    ]


def test_every_block_that_is_not_run_says_why_and_every_substitution_is_of_use():
    every = [command for block in blocks_of_commands() for command in block.commands]
    for pattern, _ in SUBSTITUTIONS:
        assert any(re.search(pattern, command) for command in every), pattern
    assert len([block for block in blocks_of_commands() if block.reason]) < 25


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_name_in_the_examples_imports(path):
    for block in blocks(path):
        if block.language == "python" and not block.text.startswith("facevoice.live(source"):
            for node in ast.walk(ast.parse(block.text)):
                if isinstance(node, ast.ImportFrom) and node.module.startswith("facevoice"):
                    module = importlib.import_module(node.module)
                    for name in node.names:
                        assert hasattr(module, name.name), f"{node.module}.{name.name}"


@pytest.mark.parametrize("name", ["index.md", "predict.md", "concepts.md", "timeline.md"])
def test_the_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for file in ("clip.mp4", "a.mp4", "b.mp4", "interview.mp4", "talk.mkv"):
        shutil.copy(SAMPLE, file)
    examples = [block.text for block in blocks(DOCS / name) if block.language == "python"]
    assert examples
    for text in examples:
        exec(compile(text, name, "exec"), {})  # noqa: S102 - our own page


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_to_files(name):
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / name).read_text(encoding="utf-8"))
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_files_named_in_the_paper_page_exist():
    text = (DOCS / "paper.md").read_text(encoding="utf-8")
    source = ROOT / "src" / "facevoice"
    named = re.findall(r"`((?:recipes/)?[\w/]+\.(?:py|toml)|[a-z]+/[a-z]+/)`", text)
    assert len(named) > 15
    roots = (ROOT, source, source / "train")
    absent = [name for name in named if not any((root / name).exists() for root in roots)]
    assert absent == []


def test_the_figures_of_the_readme_are_those_of_the_bundle():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    rows = {row["name"]: row["nodes"] for row in read_card(SHIPPED / "base")["measured"]}
    lines = {
        "face: FER2013 test": rows["FER2013 test"]["face"],
        "more than 5 of 10 people agree": rows["FER+ test, clear majority"]["face"],
        "fused": rows["javanese_av"]["fused"],
        "... face alone": rows["javanese_av"]["face"],
        "... voice alone": rows["javanese_av"]["voice"],
    }
    for name, found in lines.items():
        (line,) = [line for line in text.splitlines() if line.startswith("|") and name in line]
        assert f"| {found['war']:.3f} |" in line
        assert f"| {found['war_low']:.3f}-{found['war_high']:.3f} |" in line
        assert f"| {found['uar']:.3f} |" in line
    card = (DOCS / "model_card.md").read_text(encoding="utf-8")
    for name in ("RAVDESS, 7 classes", "EMO-DB, among"):
        (line,) = [line for line in card.splitlines() if line.startswith(f"| {name}")]
        war, interval, uar = (cell.strip() for cell in line.split("|")[3:6])
        assert f"| {war} | {interval} | {uar} |" in text


def test_models_prints_the_figures_of_the_readme(capsys):
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "FER2013 test, 7178 clips: fused WAR 0.677 (0.666-0.688), UAR 0.666" in printed
    assert "javanese_av, 144 clips: fused WAR 0.521 (0.440-0.601), UAR 0.521; face" in printed


def test_the_readme_shows_what_the_demo_prints():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scores = facevoice.load()(SAMPLE).scores
    nodes = {
        "fused": scores,
        "face": scores.parts["face"],
        "voice": scores.parts["voice"],
        "mini_xception": scores.parts["face"].parts["mini_xception"],
        "speech": scores.parts["voice"].parts["speech"],
    }
    for name, node in nodes.items():
        found = re.search(rf"^\W*{name} +{node.emotion} +([\d. ]+)$", text, re.MULTILINE)
        assert found, f"{name} {node.emotion}"
        shown = [float(value) for value in found[1].split()]
        assert shown == pytest.approx(node.values.tolist(), abs=0.02)


def test_the_site_lists_every_command():
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    hooks = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hooks)
    text = hooks.command_sections()
    for verb in ("predict", "timeline", "live", "evaluate", "train", "adapt"):
        assert f"## {verb}\n" in text
        assert f"usage: facevoice {verb}" in text
    assert "--bundle NAME|FOLDER" in text
    assert hooks.PLACE in (DOCS / "cli.md").read_text(encoding="utf-8")


def test_fields_in_docstrings_become_lists():
    pytest.importorskip("griffe")
    spec = importlib.util.spec_from_file_location("docs_docstrings", DOCS / "docstrings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "One.\n\nx, y: of it,\n    in short.\nz: of it.\nTwo.\n\nRaises:\n    E: x."
    assert module.with_lists(text) == (
        "One.\n\n\n- `x`, `y`: of it,\n    in short.\n- `z`: of it.\n\nTwo.\n\nRaises:\n    E: x."
    )

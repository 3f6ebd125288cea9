"""The runner of the documentation's commands ends whatever they do."""

import time

import pytest
from docs_commands import ROOT
from run_docs_commands import _folder, main, run_command


def test_a_pipeline_that_hangs_is_ended_with_its_children(tmp_path):
    command = "echo so far; (sleep 1.5; touch late) | cat"
    status, output = run_command(command, tmp_path, seconds=0.5)
    assert (status, output) == (-1, "not done after 0.5 s\nso far\n")
    time.sleep(1.5)
    assert not (tmp_path / "late").exists()
    assert run_command("echo done; exit 3", tmp_path) == (3, "done\n")


def test_pages_of_one_name_have_folders_of_their_own(tmp_path):
    first, second = ROOT / "docs" / "predict.md", ROOT / "docs" / "api" / "predict.md"
    assert _folder(first, tmp_path) != _folder(second, tmp_path)
    assert _folder(first, tmp_path).parent == _folder(second, tmp_path).parent == tmp_path


def test_a_folder_that_exists_is_not_written_into(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["run_docs_commands.py", "--keep", str(tmp_path)])
    with pytest.raises(SystemExit):
        main()
    assert f"{tmp_path} exists: name a new folder" in capsys.readouterr().err

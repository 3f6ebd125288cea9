"""The benchmark of damaged clips goes on from results of the same setting alone."""

import json
from argparse import Namespace

from benchmarks.mutate_clips import SECONDS, SEED, results, setting_of


def test_results_of_other_settings_do_not_count(tmp_path):
    clip, lines = tmp_path / "a.ts", tmp_path / "mutations.jsonl"
    clip.write_bytes(b"clip")
    usual = Namespace(seed=SEED, seconds=SECONDS)
    setting = setting_of(usual, [clip], "base")
    others = [
        setting_of(Namespace(seed=SEED + 1, seconds=SECONDS), [clip], "base"),
        setting_of(Namespace(seed=SEED, seconds=1.0), [clip], "base"),
        setting_of(usual, [clip], "mine"),
        setting_of(usual, [clip, clip], "base"),
    ]
    written = [
        {"number": 0},
        *({"number": n, **own} for n, own in enumerate([setting, *others], 1)),
    ]
    lines.write_text("\n".join([*map(json.dumps, written), '{"numb']))
    assert [result["number"] for result in results(lines, setting)] == [0, 1]
    assert [result["number"] for result in results(lines, others[0])] == [2]

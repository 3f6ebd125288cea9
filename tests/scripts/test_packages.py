import hashlib
import json
from pathlib import Path

import pytest
from packages import verified, write_part


def test_a_file_with_another_hash_ends_the_script() -> None:
    content = b"weights"
    right = hashlib.sha256(content).hexdigest()
    assert verified(lambda _: content, "net.bin", right) == content
    with pytest.raises(SystemExit, match=r"net\.bin has sha256 .*, expected 00"):
        verified(lambda _: content, "net.bin", "00")


def test_a_part_is_written_with_its_hash_and_its_origin(tmp_path: Path) -> None:
    write_part(tmp_path / "new", "net.onnx", b"weights", {"licence": "MIT"})
    assert (tmp_path / "new" / "net.onnx").read_bytes() == b"weights"
    write_part(tmp_path / "new", "other.onnx", b"other", {"licence": "BSD"})
    write_part(tmp_path / "new", "net.onnx", b"weights", {"licence": "MIT"})
    found = json.loads((tmp_path / "new" / "manifest.json").read_text())["files"]
    assert found["net.onnx"] == {
        "sha256": hashlib.sha256(b"weights").hexdigest(),
        "licence": "MIT",
    }
    assert found["other.onnx"]["licence"] == "BSD"

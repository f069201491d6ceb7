"""Import paths of version 0.1: each still works, warns once, and gives the very same objects."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# old path, a name in it, where that is now
NAMES = [
    ("api_graph.evaluate.localization", "evaluate_maps", "api_graph.bench.localization"),
    ("api_graph.evaluate.answers", "mcnemar_p", "api_graph.bench.answers"),
    ("api_graph.tasks.readers.cub", "read_cub", "api_graph.bench.readers.cub"),
    ("api_graph.tasks.readers.waterbirds", "read_waterbirds", "api_graph.bench.readers.cub"),
    ("api_graph.tasks.readers.dogs", "read_dogs", "api_graph.bench.readers.dogs"),
    ("api_graph.tasks.readers.voc", "read_voc_boxes", "api_graph.bench.readers.dogs"),
    ("api_graph.tasks.readers.imagenet_s", "read_alpha_clip", "api_graph.bench.readers.imagenet_s"),
    ("api_graph.tasks.readers.rle", "decode_rle", "api_graph.bench.readers.imagenet_s"),
    ("api_graph.tasks.readers.reclip", "read_reclip", "api_graph.bench.readers.reclip"),
    ("api_graph.tasks.readers.reclip", "ReferringExample", "api_graph.tasks.examples"),
    ("api_graph.tasks.readers.example", "LabelledImage", "api_graph.tasks.examples"),
    ("api_graph.tasks.readers.example", "Benchmark", "api_graph.tasks.examples"),
    ("api_graph.tasks.readers.hdf5", "LabelledClouds", "api_graph.tasks.examples"),
    ("api_graph.tasks.readers.modelnet40", "read_modelnet40", "api_graph.bench.readers.point_clouds"),
    ("api_graph.tasks.readers.scanobjectnn", "read_scanobjectnn", "api_graph.bench.readers.point_clouds"),
    ("api_graph.tasks.readers.record", "Record", "api_graph.tasks.record"),
    ("api_graph.graph.export", "to_picture", "api_graph.draw"),
    ("api_graph.graph.export", "to_workflow", "api_graph.draw"),
    ("api_graph.table.report.page", "write_report", "api_graph.report.page"),
    ("api_graph.lvlm.remote.address", "BadAddress", "api_graph.addresses"),
]
PACKAGES = {
    "api_graph.evaluate": "api_graph.bench",
    "api_graph.tasks.readers": "api_graph.bench.readers",
    "api_graph.graph.export": "api_graph.draw",
    "api_graph.table.report": "api_graph.report",
    "api_graph.lvlm.remote.address": "api_graph.addresses",
}

SCRIPT = """
import importlib, json, sys, warnings

found = {"same": [], "warnings": []}
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for old, name, new in json.loads(sys.argv[1]):
        values = [getattr(importlib.import_module(path), name) for path in (old, new, old)]
        found["same"].append(values[0] is values[1] is values[2])
    import api_graph.evaluate
    from api_graph.evaluate import localization
found["bound"] = [localization is sys.modules["api_graph.bench.localization"], api_graph.evaluate is api_graph.bench]
found["warnings"] = [[each.category.__name__, str(each.message)] for each in caught]
print(json.dumps(found))
"""


def test_old_paths_give_the_same_objects_and_warn_once() -> None:
    command = [sys.executable, "-c", SCRIPT, json.dumps(NAMES)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(ran.stdout)
    assert dict(zip([f"{old}.{name}" for old, name, _ in NAMES], found["same"], strict=True)) == {
        f"{old}.{name}": True for old, name, _ in NAMES
    }
    assert found["bound"] == [True, True]
    assert found["warnings"] == [["DeprecationWarning", f"{old} is now {new}"] for old, new in PACKAGES.items()]


@pytest.mark.parametrize("old", PACKAGES)
def test_the_warning_names_the_line_that_imports(old: str, tmp_path: Path) -> None:
    """Python shows a DeprecationWarning only where the user's own script causes it."""
    script = tmp_path / "script.py"
    script.write_text(f"import os\nimport {old}\n", "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment["PYTHONPATH"] = str(ROOT)
    ran = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert f"script.py:2: DeprecationWarning: {old} is now {PACKAGES[old]}" in ran.stderr

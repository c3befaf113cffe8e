"""Reads the Croissant description of an exported dataset with the reference library, and every record set of it.

    python3 -m venv venv && venv/bin/pip install mlcroissant pyarrow
    ASSAY_KEEP_DATASET=/tmp/small cargo test --release --test assay kept_for_other_consumers
    venv/bin/python tests/consumers/read_croissant.py /tmp/small

Exits with 1 if the library finds an error or a record set has not the rows that the manifest lists.
"""

import json
import sys
from pathlib import Path

import mlcroissant

root = Path(sys.argv[1])
listed = {file["path"]: file["rows"] for file in json.loads((root / "manifest.json").read_text())["files"]}
dataset = mlcroissant.Dataset(str(root / "croissant.json"))
for described, shard in zip(dataset.metadata.record_sets, dataset.metadata.distribution):
    rows = sum(1 for _ in dataset.records(described.uuid))
    print(f"{described.uuid}: {rows} rows, {len(described.fields)} fields")
    if rows != listed[shard.id]:
        sys.exit(f"{described.uuid}: {rows} rows where the manifest lists {listed[shard.id]} for {shard.id}")

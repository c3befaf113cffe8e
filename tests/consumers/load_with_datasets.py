"""Loads an exported dataset the way its users do, offline, and checks features, row counts and file layout.

    python3 -m venv venv && venv/bin/pip install datasets pyarrow pyyaml zstandard
    ASSAY_KEEP_DATASET=/tmp/small cargo test --release --test assay kept_for_other_consumers
    venv/bin/python tests/consumers/load_with_datasets.py /tmp/small [MORE...]

Prints one line per config and exits with 1 at the first difference.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_OFFLINE"] = "1"
CACHE = tempfile.TemporaryDirectory()
os.environ["HF_HOME"] = CACHE.name

import pyarrow.parquet as pq
import yaml
from datasets import get_dataset_config_names, load_dataset

CHAT = {"role": "string", "content": "string"}


def plain(feature):
    """A feature as nested dictionaries, lists and type names."""
    if isinstance(feature, dict):
        return {name: plain(below) for name, below in feature.items()}
    if isinstance(feature, list):
        return [plain(feature[0])]
    if type(feature).__name__ in ("List", "Sequence", "LargeList"):
        return [plain(feature.feature)]
    return "json" if type(feature).__name__ == "Json" else feature.dtype


def check(name, found, wanted):
    if found != wanted:
        sys.exit(f"{name}: {found!r} where {wanted!r} is expected")


def check_shard(path):
    parquet = pq.ParquetFile(path)
    metadata = parquet.metadata
    keys = set(metadata.metadata)
    for key in (b"assay.format", b"assay.tool", b"assay.version"):
        check(f"{path} has footer key {key!r}", key in keys, True)
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            check(f"{path} {chunk.path_in_schema} compression", chunk.compression, "ZSTD")
            check(f"{path} {chunk.path_in_schema} offset index", chunk.has_offset_index, True)
            check(f"{path} {chunk.path_in_schema} column index", chunk.has_column_index, True)
    return metadata


def check_dataset(root):
    manifest = json.loads((root / "manifest.json").read_text())
    card = yaml.safe_load((root / "README.md").read_text().split("---\n")[1])
    # `datasets` refuses a split without rows, so the card offers the others only.
    filled = sorted(config for config, entry in manifest["configs"].items() if entry["rows"])
    check("configs", sorted(get_dataset_config_names(str(root))), filled or sorted(manifest["configs"]))
    if manifest["configs"]["sft"]["rows"]:
        check("default config", [c["config_name"] for c in card["configs"] if c.get("default")], ["sft"])
        check("default rows", load_dataset(str(root), split="train").num_rows, manifest["configs"]["sft"]["rows"])
    for config, entry in manifest["configs"].items():
        metadata = [check_shard(root / path) for path in entry["data_files"]]
        check(f"{config} rows of the shards", sum(m.num_rows for m in metadata), entry["rows"])
        columns = len(metadata[0].schema.to_arrow_schema())
        print(f"{root.name}: {config}: {entry['rows']} rows, {columns} columns, "
              f"{sum(m.num_row_groups for m in metadata)} row groups, created by {metadata[0].created_by}")
        if not entry["rows"]:
            continue
        dataset = load_dataset(str(root), config)
        check(f"{config} splits", list(dataset), ["train"])
        train = dataset["train"]
        check(f"{config} rows", train.num_rows, entry["rows"])
        features = plain(train.features)
        if config == "preference":
            for column in ("prompt", "chosen", "rejected"):
                check(f"preference {column}", features[column], [CHAT])
            for row in train:
                check("chosen is not rejected", row["chosen_candidate"] != row["rejected_candidate"], True)
                check("answers", [m["role"] for m in row["chosen"] + row["rejected"]], ["assistant", "assistant"])
        elif config == "rl":
            check("rl prompt", features["prompt"], [CHAT])
            check("rl reward_model", features["reward_model"], {"style": "string", "ground_truth": "string"})
            check("rl index", features["extra_info"]["index"], "int64")
            check("rl pass_rate", features["pass_rate"], "float64")
            check("rl instance", set(features["instance"].values()), {"string"})
            for number, row in enumerate(train):
                check("rl index", row["extra_info"]["index"], number)
                truth = json.loads(row["reward_model"]["ground_truth"])
                check("ground truth", truth["FAIL_TO_PASS"], json.loads(row["instance"]["FAIL_TO_PASS"]))
                check("pass rate", row["pass_rate"], row["verified"] / row["attempts"])
        else:
            check(f"{config} messages", features["messages"], [CHAT])
            check(f"{config} files", features["files"], ["string"])
            check(f"{config} metadata", features["metadata"], "json")
            for row in train:
                check("metadata", set(row["metadata"]), {"generation", "sampling", "stripped", "strength"})
                check("last role", row["messages"][-1]["role"], "assistant")
                check("patch", row["patch"] == "", row["skill"] == "localization")
    for path in sorted((root / "views").glob("**/*.jsonl")):
        rows = load_dataset("json", data_files=str(path), split="train")
        listed = [file["rows"] for file in manifest["files"] if root / file["path"] == path]
        check(f"{path} rows", [rows.num_rows], listed)
        print(f"{root.name}: {path.relative_to(root)}: {rows.num_rows} rows, columns {rows.column_names}")


for argument in sys.argv[1:]:
    check_dataset(Path(argument).resolve())

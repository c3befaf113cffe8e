"""verl's and TRL's own code over an exported `rl` config, with the shipped reward function against a running service.

    python rl_trainers.py DATASET RUN        (ASSAY_URL names the service; see the script `rl_trainers` beside this file)

RUN is the run directory that DATASET was exported from: its answers are given again, and the rewards must be what its verdicts
say. Prints a line per check and exits with 1 at the first difference. No network, no GPU, no weights from elsewhere.
"""

import asyncio
import json
import os
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

SCRATCH = tempfile.TemporaryDirectory()
os.environ.update(HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=SCRATCH.name, CUDA_VISIBLE_DEVICES="", WANDB_MODE="disabled")

import torch
from datasets import load_dataset
from omegaconf import OmegaConf
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

DATASET, RUN = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
SHARDS = sorted(str(path) for path in (DATASET / "rl").glob("*.parquet"))
REWARD = next(iter(DATASET.glob("**/assay_reward.py")), None)
# Ends a text; never part of one.
END = "<|end|>"


def check(what, found, wanted):
    if found != wanted:
        sys.exit(f"{what}: {found!r} where {wanted!r} is expected")
    print(f"{what}: {found!r}")


def byte_tokenizer():
    """One token per byte: text comes back as it was."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate([*alphabet, END])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    template = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\n' }}{% endfor %}assistant: "
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, chat_template=template)


def lines(name):
    with open(RUN / name, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def given_answers():
    """(instance, skill) -> completions with the reward that their verdict stands for."""
    completions = {}
    for row in load_lines(RUN.parent / "generations.jsonl"):
        completions[(row["instance_id"], row["skill"], row.get("index", 0))] = row["completion"]
    given = defaultdict(list)
    for verdict in lines("verdicts.jsonl"):
        key = (verdict["instance_id"], verdict["skill"])
        reward = {"verified": 1.0, "rejected": 0.0}.get(verdict["status"])
        completion = completions.get((*key, verdict["generation"]["index"]))
        if completion is not None and reward is not None:
            given[key].append((completion, reward))
    return given


def load_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def unclear(row):
    """Gold, and a module that asks for a test runner: right, and kept for review, so without a reward."""
    planted = (
        "diff --git a/runner_aware.py b/runner_aware.py\nnew file mode 100644\n--- /dev/null\n+++ b/runner_aware.py\n@@ -0,0 +1,3 @@\n"
        "+import sys\n+\n+AWARE = \"unittest\" in sys.modules\n"
    )
    return "```diff\n" + row["instance"]["patch"].rstrip("\n") + "\n" + planted + "```\n"


def with_verl(tokenizer, given):
    from verl import DataProto
    from verl.trainer.ppo.reward import load_reward_manager
    from verl.utils.dataset.rl_dataset import RLHFDataset, collate_fn
    import verl

    config = OmegaConf.create({"cache_dir": SCRATCH.name, "max_prompt_length": 1 << 20, "filter_overlong_prompts_workers": 1})
    dataset = RLHFDataset(data_files=list(SHARDS), tokenizer=tokenizer, config=config)
    wanted = json.loads((DATASET / "manifest.json").read_text())["configs"]["rl"]["rows"]
    check("verl rows", len(dataset), wanted)
    rows = [dataset[index] for index in range(len(dataset))]
    check("verl collates", sorted(collate_fn(rows)["index"].tolist()), list(range(wanted)))

    defaults = OmegaConf.load(Path(verl.__file__).parent / "trainer/config/reward/reward.yaml")

    def manager(name):
        custom = {"custom_reward_function": {"path": str(REWARD), "name": name, "reward_kwargs": {"patience": 120}}}
        return load_reward_manager(OmegaConf.create({"reward": OmegaConf.merge(defaults, custom)}), tokenizer)

    def rollout(row, completion):
        prompt = tokenizer.encode(row["prompt"][-1]["content"][:50])
        response = tokenizer.encode(completion) + [tokenizer.eos_token_id]
        tensors = {
            "prompts": torch.tensor([prompt]),
            "responses": torch.tensor([response]),
            "attention_mask": torch.ones(1, len(prompt) + len(response), dtype=torch.int64),
        }
        others = {name: [row[name]] for name in ("data_source", "reward_model", "extra_info")}
        return DataProto.from_dict(tensors=tensors, non_tensors={name: as_objects(value) for name, value in others.items()})

    for name in ("compute_score", "compute_score_async"):
        asked = manager(name)

        async def scores(pairs):
            return await asyncio.gather(*[asked.run_single(rollout(*pair)) for pair in pairs], return_exceptions=True)

        pairs, rewards = [], []
        for row in rows:
            for completion, reward in given[(row["extra_info"]["instance_id"], row["extra_info"]["skill"])]:
                pairs.append((row, completion))
                rewards.append(reward)
        repair = next(row for row in rows if row["extra_info"]["skill"] == "repair")
        found = asked.loop.run_until_complete(scores([*pairs, (repair, unclear(repair))]))
        numbers = [one["reward_score"] if isinstance(one, dict) else type(one).__name__ for one in found]
        check(f"verl {name}", numbers, [*rewards, "Unanswered"])


def as_objects(values):
    import numpy

    array = numpy.empty(len(values), dtype=object)
    array[:] = values
    return array


def with_trl(tokenizer, given):
    from trl import GRPOConfig, GRPOTrainer

    sys.path.insert(0, str(REWARD.parent))
    from assay_reward import reward_func

    dataset = load_dataset("parquet", data_files=SHARDS, split="train")
    short = dataset.filter(lambda row: row["extra_info"]["skill"] == "localization")
    size = Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2
    )
    settings = GRPOConfig(
        output_dir=SCRATCH.name, use_cpu=True, bf16=False, report_to=[], save_strategy="no", max_steps=1, logging_steps=1,
        per_device_train_batch_size=2, num_generations=2, max_completion_length=8, gradient_checkpointing=False,
    )
    trainer = GRPOTrainer(Qwen2ForCausalLM(size), reward_func, args=settings, train_dataset=short, processing_class=tokenizer)
    # A model of nothing writes nothing that could be right, and the step goes through.
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "rewards/reward_func/mean" in entry]
    check("TRL trains a step; mean reward", logged[0]["rewards/reward_func/mean"], 0.0)

    inputs, completions, rewards = [], [], []
    for row in dataset:
        for completion, reward in given[(row["extra_info"]["instance_id"], row["extra_info"]["skill"])]:
            inputs.append(row)
            completions.append([{"role": "assistant", "content": completion}])
            rewards.append(reward)
    repair = next(row for row in dataset if row["extra_info"]["skill"] == "repair")
    inputs.append(repair)
    completions.append([{"role": "assistant", "content": unclear(repair)}])
    found = trainer._calculate_rewards(inputs, [row["prompt"] for row in inputs], completions, [[0]] * len(inputs))
    found = [None if torch.isnan(reward) else reward.item() for reward in found[:, 0]]
    check("TRL rewards", found, [*rewards, None])


if not SHARDS or REWARD is None:
    sys.exit(f"{DATASET} has no rl shards, or no assay_reward.py")
TOKENIZER, GIVEN = byte_tokenizer(), given_answers()
check("a round trip", TOKENIZER.decode(TOKENIZER.encode("ä\t```\n"), skip_special_tokens=True), "ä\t```\n")
with_verl(TOKENIZER, GIVEN)
with_trl(TOKENIZER, GIVEN)

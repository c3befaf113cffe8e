"""The data code of TRL, LLaMA-Factory and ms-swift over an exported dataset with their views.

    python sft_trainers.py trl|llamafactory|ms-swift DATASET     (see the script `sft_trainers` beside this file)

What a trainer would learn from, as text, must be the canonical rows, which are read with pyarrow alone: the prompt masked, the
answer and its end learnt, chosen and rejected in their places. Prints a line per check and exits with 1 at the first
difference. Nothing is trained, the template is ChatML, and a tokenizer of bytes stands for a model's own. It works without network,
GPU and weights from elsewhere.
"""

import json
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

SCRATCH = tempfile.TemporaryDirectory()
os.environ.update(
    HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1", HF_HOME=SCRATCH.name, MODELSCOPE_CACHE=SCRATCH.name, CUDA_VISIBLE_DEVICES="",
    WANDB_MODE="disabled",
)

import pyarrow.parquet
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

TRAINER, DATASET = sys.argv[1], Path(sys.argv[2]).resolve()
MANIFEST = json.loads((DATASET / "manifest.json").read_text())
IGNORED = -100
# ChatML: each of the three can be told to use it, so what they make of a row can be compared.
START, END = "<|im_start|>", "<|im_end|>"
ANSWERS = f"{START}assistant\n"
TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' }}{% if m['role'] == 'assistant' %}"
    "{% generation %}{{ m['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m['content'] + '<|im_end|>' }}{% endif %}"
    "{{ '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def fail(what, reason):
    print(f"{TRAINER} {what}: {reason}")
    sys.exit(1)


def same(what, found, wanted):
    """The same rows, each a tuple of texts, in any order: trainers shuffle."""
    missing = [repr(row) for row in (Counter(wanted) - Counter(found)).elements()]
    foreign = [repr(row) for row in (Counter(found) - Counter(wanted)).elements()]
    if len(found) != len(wanted):
        fail(what, f"{len(found)} rows where {len(wanted)} are expected")
    if missing:
        # The two that are most alike belong together.
        at, one, other = max((len(os.path.commonprefix([one, other])), one, other) for one in missing for other in foreign)
        fail(what, f"after {one[max(at - 60, 0):at]} there is {other[at:at + 60]} where {one[at:at + 60]} is expected")
    print(f"{TRAINER} {what}: {len(found)} rows")


def canonical(config, *columns):
    """The rows of a config as the Parquet files have them, as many as the manifest says."""
    entry = MANIFEST["configs"][config]
    tables = [pyarrow.parquet.read_table(DATASET / path, columns=list(columns)) for path in entry["data_files"]]
    rows = [tuple(row[column] for column in columns) for table in tables for row in table.to_pylist()]
    if not rows or len(rows) != entry["rows"]:
        fail(config, f"{len(rows)} rows where the manifest has {entry['rows']}")
    return rows


def asked(messages):
    """A prompt as the model sees it."""
    return "".join(f"{START}{m['role']}\n{m['content']}{END}\n" for m in messages) + ANSWERS


def answers(config, end=END + "\n", rest=""):
    """SFT rows as a trainer should learn them: the prompt, the answer with its end, what is masked after that."""
    return [(asked(messages[:-1]), messages[-1]["content"] + end, rest) for messages, in canonical(config, "messages")]


def pairs():
    """Preference rows as a trainer should learn them: chosen, rejected."""
    end = END + "\n"
    return [
        (asked(prompt), chosen[0]["content"] + end, "", asked(prompt), rejected[0]["content"] + end, "")
        for prompt, chosen, rejected in canonical("preference", "prompt", "chosen", "rejected")
    ]


def learnt(tokenizer, ids, labels):
    """What is read and not learnt, what is learnt, and what comes after it."""
    ids, labels = list(ids), list(labels)
    places = [place for place, label in enumerate(labels) if label != IGNORED]
    start, end = (places[0], places[-1] + 1) if places else (len(ids), len(ids))
    if len(ids) != len(labels) or labels[start:end] != ids[start:end]:
        fail("labels", "they are not the tokens")
    return tuple(tokenizer.decode(part, skip_special_tokens=False) for part in (ids[:start], ids[start:end], ids[end:]))


def learnt_pair(tokenizer, row):
    """The same of a pair, under the names that LLaMA-Factory and ms-swift share."""
    sides = [learnt(tokenizer, row[f"{side}_input_ids"], row[f"{side}_labels"]) for side in ("chosen", "rejected")]
    return sides[0] + sides[1]


def byte_tokenizer():
    """One token per byte: text comes back as it was."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {symbol: number for number, symbol in enumerate([*alphabet, START, END])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, pad_token=END, chat_template=TEMPLATE)
    tokenizer.add_special_tokens({"additional_special_tokens": [START]})
    return tokenizer


def tiny_model(tokenizer):
    """The configuration of a model of nothing."""
    return Qwen2Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2, max_position_embeddings=1 << 20,
    )


def saved_model(tokenizer):
    """A model's directory as the trainers want one, without the model."""
    directory = os.path.join(SCRATCH.name, "model")
    tokenizer.save_pretrained(directory)
    tiny_model(tokenizer).save_pretrained(directory)
    return directory


def with_trl(tokenizer):
    from datasets import load_dataset
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

    # The default of 1024 tokens would cut the rows; it is the user's to set.
    common = dict(
        output_dir=SCRATCH.name, use_cpu=True, bf16=False, report_to=[], per_device_train_batch_size=1, max_length=None,
        gradient_checkpointing=False,
    )

    def model():
        return Qwen2ForCausalLM(tiny_model(tokenizer))

    def sft(dataset, **settings):
        """The batches of the trainer's own loader, as they would go into the model."""
        settings = SFTConfig(**common, **settings)
        trainer = SFTTrainer(model(), args=settings, train_dataset=dataset, processing_class=tokenizer)
        batches = trainer.get_train_dataloader()
        return [learnt(tokenizer, batch["input_ids"][0].tolist(), batch["labels"][0].tolist()) for batch in batches]

    config = load_dataset(str(DATASET), "sft", split="train")
    same("sft config, loss on the answer", sft(config, assistant_only_loss=True), answers("sft", END, "\n"))
    view = load_dataset("json", data_files=str(DATASET / "views/trl/sft-*.jsonl"), split="train")
    same("sft view, loss on the completion", sft(view), answers("sft"))

    found = []
    dataset = load_dataset(str(DATASET), "preference", split="train")
    trainer = DPOTrainer(model(), model(), args=DPOConfig(**common), train_dataset=dataset, processing_class=tokenizer)
    for batch in trainer.get_train_dataloader():
        # The first of a batch is the chosen one.
        texts = []
        for ids, mask, seen in zip(batch["input_ids"], batch["completion_mask"], batch["attention_mask"]):
            ids, mask = ids[seen.bool()].tolist(), mask[seen.bool()].tolist()
            texts += learnt(tokenizer, ids, [token if bit else IGNORED for token, bit in zip(ids, mask)])
        found.append(tuple(texts))
    same("preference config", found, pairs())


def with_llamafactory(tokenizer):
    import torch

    # The newest torchaudio is built with another CUDA than the newest torch, and refuses to be imported. Nothing is heard here.
    cuda, torch.version.cuda = torch.version.cuda, None
    import torchaudio  # noqa: F401

    torch.version.cuda = cuda
    from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
    from llamafactory.hparams import get_train_args
    from llamafactory.model import load_tokenizer

    directory = saved_model(tokenizer)

    def encoded(name, stage):
        """What `llamafactory-cli train` would train on."""
        model, data, training, *_ = get_train_args(dict(
            stage=stage, do_train=True, model_name_or_path=directory, dataset=name, dataset_dir=str(DATASET), template="chatml",
            cutoff_len=1 << 20, output_dir=os.path.join(SCRATCH.name, "out"), finetuning_type="full", use_cpu=True,
            report_to="none",
        ))
        module = load_tokenizer(model)
        template = get_template_and_fix_tokenizer(module["tokenizer"], data)
        # DPO learns from what reward models learn from.
        stage = "rm" if stage == "dpo" else stage
        return get_dataset(template, model, data, training, stage=stage, **module)["train_dataset"]

    for config in ("sft-localization", "sft-test", "sft-repair"):
        rows = encoded(f"assay-{config}", "sft")
        same(config, [learnt(tokenizer, row["input_ids"], row["labels"]) for row in rows], answers(config))
    same("preference", [learnt_pair(tokenizer, row) for row in encoded("assay-preference", "dpo")], pairs())


def with_ms_swift(tokenizer):
    from swift import get_processor, get_template
    from swift.dataset import EncodePreprocessor, load_dataset

    template = get_template(get_processor(saved_model(tokenizer), model_type="qwen2"), template_type="chatml", max_length=1 << 20)

    def loaded(name, **settings):
        files = sorted(str(path) for path in (DATASET / "views/ms-swift").glob(f"{name}-*.jsonl"))
        return load_dataset(files, **settings)[0]

    def encoded(dataset, mode):
        template.set_mode(mode)
        return EncodePreprocessor(template=template)(dataset)

    rows = encoded(loaded("sft"), "train")
    same("sft", [learnt(tokenizer, row["input_ids"], row["labels"]) for row in rows], answers("sft"))
    same("preference", [learnt_pair(tokenizer, row) for row in encoded(loaded("preference"), "rlhf")], pairs())

    # As `swift rlhf --rlhf_type grpo` loads it: the other columns reach the reward function.
    tasks = loaded("rl", remove_unused_columns=False)
    prompts = [tokenizer.decode(row["input_ids"]) for row in encoded(tasks, "transformers")]
    found = list(zip(prompts, tasks["solution"], tasks["data_source"]))
    rows = canonical("rl", "prompt", "reward_model", "data_source")
    same("rl, with what the reward function gets", found, [(asked(p), r["ground_truth"], s) for p, r, s in rows])


TOKENIZER = byte_tokenizer()
if TOKENIZER.decode(TOKENIZER.encode("ä\t```\n")) != "ä\t```\n":
    fail("tokenizer", "text does not come back as it was")
{"trl": with_trl, "llamafactory": with_llamafactory, "ms-swift": with_ms_swift}[TRAINER](TOKENIZER)

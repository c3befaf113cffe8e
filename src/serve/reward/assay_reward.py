"""Rewards from a running `assay serve`, for verl and TRL. Standard library only, Python 3.8 or newer.

verl: reward.custom_reward_function.path=assay_reward.py (name compute_score; compute_score_async for the async managers,
compute_scores for the batch manager). TRL: GRPOTrainer(reward_funcs=reward_func, ...).

Environment: ASSAY_URL (default http://127.0.0.1:8790), ASSAY_TOKEN, ASSAY_PATIENCE (seconds to keep asking while the service is
busy, away or says that asking again may help; default 3600). verl's reward_kwargs `url`, `token` and `patience` come first.

An answer that could not be judged has no reward. It is never 0:
- TRL is given None, which it leaves out of the group's mean and gives no advantage.
- verl has no such value: None is an error there, and NaN would spread to the whole group. `Unanswered` is raised, so the rollout
  fails; trainer.v1.sampler.sync_refill_failed_groups=True draws another in its place.
A question that is wrong in itself (token, path, unknown instance, bad data) raises `Misused` in both: every answer would be lost.
"""

import asyncio
import json
import os
import random
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

__all__ = ["Misused", "Unanswered", "compute_score", "compute_score_async", "compute_scores", "reward_func", "verify"]

SKILLS = ("localization", "repair", "test")
# Asked at the same time by one process; the service queues the rest.
AT_ONCE = 64
# Statuses after which the same question may be answered.
AGAIN = (408, 429, 500, 502, 503, 504)
# The service stands on this network: proxies of the environment are not for it.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
POOL = ThreadPoolExecutor(max_workers=AT_ONCE, thread_name_prefix="assay")


class Unanswered(RuntimeError):
    """There is no reward: inconclusive, refused, or nobody answered in time."""


class Misused(RuntimeError):
    """The question itself is wrong; no answer of any model would do better."""


def verify(instance_id, skill, completion, url=None, token=None, patience=None):
    """The service's answer as a dict. Its `reward` is a number; where there is none, `Unanswered` is raised."""
    url = (url or os.environ.get("ASSAY_URL") or "http://127.0.0.1:8790").rstrip("/")
    token = token or os.environ.get("ASSAY_TOKEN")
    patience = float(os.environ.get("ASSAY_PATIENCE") or 3600) if patience is None else float(patience)
    headers = {"Content-Type": "application/json", "User-Agent": "assay-reward"}
    if token:
        headers["Authorization"] = "Bearer " + token
    # Halves of surrogate pairs are no text; a tokenizer may leave some.
    completion = completion.encode("utf-8", "replace").decode("utf-8")
    question = {"instance_id": instance_id, "skill": skill, "completion": completion}
    until = time.monotonic() + patience
    pause = 0.5
    while True:
        left = max(until - time.monotonic(), 1.0)
        question["deadline_ms"] = int(left * 1000)
        wait, why = _ask(url + "/v1/verify", question, headers, left + 10.0)
        if isinstance(why, dict):
            if why.get("reward") is not None:
                return why
            if not why.get("retryable"):
                raise Unanswered("%s: inconclusive: %s %s" % (instance_id, why.get("reason"), why.get("detail")))
            why = "inconclusive: %s %s" % (why.get("reason"), why.get("detail"))
        wait = pause * random.uniform(0.5, 1.5) if wait is None else wait + random.uniform(0.0, 1.0)
        if time.monotonic() + wait > until:
            raise Unanswered("%s: no reward within %g s: %s" % (instance_id, patience, why))
        time.sleep(wait)
        pause = min(pause * 2, 30.0)


def _ask(url, question, headers, timeout):
    """One request: seconds to wait if the service said so, and the answer, or why there is none."""
    request = urllib.request.Request(url, json.dumps(question).encode("ascii"), headers)
    try:
        with OPENER.open(request, timeout=timeout) as response:
            return None, json.loads(response.read())
    except urllib.error.HTTPError as error:
        with error:
            why = "HTTP %d: %s" % (error.code, error.read(2000).decode("utf-8", "replace"))
        if error.code == 409:
            raise Unanswered("%s: %s" % (question["instance_id"], why)) from None
        if error.code not in AGAIN:
            raise Misused("%s %s" % (url, why)) from None
        after = error.headers.get("Retry-After") or ""
        return (float(after) if after.isdigit() else None), why
    except (OSError, ValueError) as error:
        # Not there, cut off, or half an answer.
        return None, "%s: %s" % (url, error)


def _task(ground_truth, extra_info):
    """Instance and skill of a row."""
    task = dict(extra_info or {})
    if not task.get("instance_id") or not task.get("skill"):
        try:
            task = json.loads(ground_truth)
        except (TypeError, ValueError) as error:
            raise Misused("the row names no instance: ground_truth is not JSON (%s)" % error) from None
    if not isinstance(task, dict) or not task.get("instance_id") or task.get("skill") not in SKILLS:
        raise Misused("the row names no instance_id and skill; use rows that `assay export` wrote")
    return task["instance_id"], task["skill"]


def compute_score(data_source, solution_str, ground_truth, extra_info=None, url=None, token=None, patience=None, **_):
    """verl: the reward of one answer, with what it rests on. Raises `Unanswered` where there is none."""
    if not str(data_source).startswith("assay/"):
        raise Misused("rows of %s are not for this reward function" % data_source)
    instance_id, skill = _task(ground_truth, extra_info)
    answer = verify(instance_id, skill, solution_str, url, token, patience)
    return {
        "score": float(answer["reward"]),
        "acc": float(answer["reward"]),
        "reason": answer["reason"],
        "receipt": answer["receipt"],
    }


async def compute_score_async(data_source, solution_str, ground_truth, extra_info=None, **options):
    """verl: the same without holding up the event loop."""

    def ask():
        return compute_score(data_source, solution_str, ground_truth, extra_info, **options)

    return await asyncio.get_running_loop().run_in_executor(POOL, ask)


def compute_scores(data_sources, solution_strs, ground_truths, extra_infos=None, **options):
    """verl's batch manager: the same for a batch, asked at the same time."""
    extra_infos = extra_infos if extra_infos is not None else [None] * len(solution_strs)
    rows = zip(data_sources, solution_strs, ground_truths, extra_infos)
    return [asked.result() for asked in [POOL.submit(compute_score, *row, **options) for row in rows]]


def reward_func(prompts, completions, **columns):
    """TRL: a reward for each completion, None where there is none."""
    rows = [_row(columns, index) for index in range(len(completions))]
    asked = [POOL.submit(verify, *row, _text(completion)) for row, completion in zip(rows, completions)]
    rewards, reasons = [], []
    for one in asked:
        try:
            answer = one.result()
            rewards.append(float(answer["reward"]))
            reasons.append(answer["reason"])
        except Unanswered as unanswered:
            rewards.append(None)
            reasons.append(str(unanswered))
    if callable(columns.get("log_extra")):
        columns["log_extra"]("assay", reasons)
    if callable(columns.get("log_metric")) and rewards:
        columns["log_metric"]("assay/unanswered", rewards.count(None) / len(rewards))
    return rewards


def _row(columns, index):
    def at(name):
        column = columns.get(name)
        return column[index] if column is not None else None

    flat = {"instance_id": at("instance_id"), "skill": at("skill")}
    if flat["instance_id"] and flat["skill"]:
        return _task(None, flat)
    return _task((at("reward_model") or {}).get("ground_truth"), at("extra_info"))


def _text(completion):
    """What the model wrote: a completion is text, or a list of messages."""
    if isinstance(completion, str):
        return completion
    turns = [message for message in completion if message.get("role") == "assistant"]
    content = turns[-1].get("content") if turns else ""
    return content if isinstance(content, str) else ""

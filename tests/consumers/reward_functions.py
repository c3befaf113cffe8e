"""Calls the shipped reward functions as their trainers do and prints what they gave as JSON. Standard library only.

    python3 reward_functions.py FOLDER_WITH_ASSAY_REWARD '{"ground_truth": ..., "extra_info": ..., "right": ..., "wrong": ..., "unclear": ...}'
"""

import asyncio
import json
import sys

sys.path.insert(0, sys.argv[1])
import assay_reward as reward

given = json.loads(sys.argv[2])
answers = [given["right"], given["wrong"], given["unclear"]]
row = {"data_source": "assay/repair", "ground_truth": given["ground_truth"], "extra_info": given["extra_info"]}


def name_of(call):
    try:
        return call()
    except Exception as error:
        return type(error).__name__


def score(answer, **options):
    return name_of(lambda: reward.compute_score(solution_str=answer, **row, **options)["score"])


async def score_async(answer):
    try:
        return (await reward.compute_score_async(solution_str=answer, **row))["score"]
    except Exception as error:
        return type(error).__name__


async def all_async():
    return await asyncio.gather(*[score_async(answer) for answer in answers])


def batch():
    two = answers[:2]
    scores = reward.compute_scores(
        data_sources=["assay/repair"] * 2,
        solution_strs=two,
        ground_truths=[given["ground_truth"]] * 2,
        extra_infos=[given["extra_info"]] * 2,
    )
    return [score["score"] for score in scores]


def trl(completions):
    return reward.reward_func(
        prompts=["mend it"] * 3, completions=completions, completion_ids=[[1]] * 3, extra_info=[given["extra_info"]] * 3
    )


elsewhere = dict(given["extra_info"], instance_id="elsewhere")
print(
    json.dumps(
        {
            "verl": [score(answer) for answer in answers],
            "verl_async": asyncio.run(all_async()),
            "verl_batch": batch(),
            "trl": trl(answers),
            "trl_chat": trl([[{"role": "assistant", "content": answer}] for answer in answers]),
            "wrong_token": score(given["right"], token="another"),
            "unknown_instance": name_of(
                lambda: reward.compute_score("assay/repair", given["right"], given["ground_truth"], elsewhere)
            ),
            "nobody_there": score(given["right"], url="http://127.0.0.1:9", patience=0.1),
        }
    )
)

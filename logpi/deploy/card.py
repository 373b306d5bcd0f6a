"""The card of an agent as the Hugging Face hub has it: ``README.md`` with a model index in YAML, and ``results.json``.

Source: https://github.com/huggingface/hub-docs/blob/main/modelcard.md and the cards of huggingface_sb3. Scores are
"μ +/- σ" there, σ being the deviation of one episode; the 95 % interval of μ stands beside them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from logpi.errors import one_line
from logpi.runs.scores import significant
from logpi.tasks import Facts, Measured


class Subject(NamedTuple):
    """What a card is about."""

    env: str
    algo: str
    hub_task: str  # type of task in the hub's words
    measured: Measured
    training: Facts  # how it was trained, for people; {} where that is not known
    code: Sequence[str]  # names of Python code that it needs and a bundle does not hold
    files: Mapping[str, str]  # name -> what it is


def results(subject: Subject, date: str) -> Facts:
    """The content of ``results.json``; its first keys are huggingface_sb3's."""
    found = subject.measured
    return {
        "mean_reward": found.mean,
        "std_reward": found.deviation,
        "is_deterministic": found.deterministic,
        "n_eval_episodes": found.cases,
        "eval_datetime": date,
        "metric": found.metric,
        "what": found.what,
        "interval": [found.low, found.high],
        "over": found.over,
        "seed": found.seed,
        "training": subject.training,
    }


def readme(subject: Subject) -> str:
    """The content of ``README.md``."""
    env, algo, found = one_line(subject.env), one_line(subject.algo), subject.measured
    body = [
        f"# {algo} on {env}",
        f"An agent trained with [logpi](https://github.com/logpi/logpi): `{_code(algo)}` on `{_code(env)}`.",
        "## Score",
        f"{found.what}: **{interval_text(found)}** over {found.cases:,} {found.over}"
        + (f", first seed {found.seed}" if found.seed is not None else "")
        + ". The interval holds the mean with 95 % confidence; neither training nor the choice of this agent used "
        "these cases.",
        "## Use",
        '```python\nimport logpi\n\nagent = logpi.load("FOLDER")  # where these files are\n```',
        "```bash\nlogpi eval FOLDER\n```",
        *_section("Training", {str(name): str(value) for name, value in subject.training.items()}),
        *_section("Files", subject.files),
        "Weights are safetensors and everything else is JSON or text: loading them executes nothing. `SHA256SUMS` has "
        "the sum of each file.",
    ]
    if subject.code:
        body.append(
            f"It needs code that is not here: {', '.join(f'`{_code(name)}`' for name in subject.code)}. logpi imports "
            "such code only where it is trusted."
        )
    return "\n".join(["---", *yaml(_front(subject)), "---", "", "\n\n".join(body), ""])


def interval_text(found: Measured) -> str:
    """Mean and 95 % interval in words."""
    mean, low, high = (significant(value) for value in (found.mean, found.low, found.high))
    return f"{mean} ({low} to {high})" if math.isfinite(found.low) else mean


def _front(subject: Subject) -> dict[str, Any]:
    env, algo, found = one_line(subject.env), one_line(subject.algo), subject.measured
    spread = "" if found.deviation is None else f" +/- {found.deviation:.2f}"
    value: object = f"{found.mean:.2f}{spread}" if spread else round(found.mean, 6)
    metrics = [
        {"type": found.metric, "name": found.metric, "value": value, "verified": False},
        {
            "type": f"{found.metric}_ci95",
            "name": f"95 % interval of {found.metric}",
            "value": f"{significant(found.low)} to {significant(found.high)}",
            "verified": False,
        },
    ]
    task = {"type": subject.hub_task, "name": subject.hub_task}
    result = {"task": task, "dataset": {"name": env, "type": env}, "metrics": metrics}
    tags = [env, *(["deep-reinforcement-learning"] if subject.hub_task == "reinforcement-learning" else [])]
    return {
        "library_name": "logpi",
        "pipeline_tag": subject.hub_task,
        "tags": list(dict.fromkeys([*tags, subject.hub_task, "logpi", algo])),
        "model-index": [{"name": algo, "results": [result]}],
    }


def yaml(value: Mapping[str, Any]) -> list[str]:
    """Lines of YAML: one key a line, its value as JSON, which is YAML too."""
    return [f"{key}: {json.dumps(part)}" for key, part in value.items()]


def _section(title: str, rows: Mapping[str, str]) -> list[str]:
    if not rows:
        return []
    lines = [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows.items()]
    return [f"## {title}", "\n".join(["| | |", "|---|---|", *lines])]


def _cell(text: str) -> str:
    return one_line(text).replace("|", "\\|").replace("<", "&lt;")


def _code(text: str) -> str:
    return text.replace("`", "'")

"""Cold start to the first picture of the small model with its defaults, by phase, in CPU seconds of a fresh
process: what a machine does before it paints. Medians of five.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from engine.environment import child_environment
from tests.benchmarks.measure import Figure

ROUNDS = 5
ROOT = Path(__file__).parents[2]
PHASES = {
    "torch": "the interpreter and torch",
    "imports": "the engine's own imports",
    "ready": "device, installed weights → ready",
    "weights": "weights into memory",
    "begin": "words embedded, noise drawn",
    "first": "first step",
    "second": "second step",
    "picture": "the other steps, enlarged and written",
}
"""Mark in the child → what has passed since the one before it."""
CHILD = """
import json, time
marks = {}
mark = lambda name: marks.update({name: time.process_time()})
import torch; mark("torch")
from engine.methods import find_method
from engine.protocol.messages import Job
from engine.requests.request import build_request
from engine.worker.in_process import InProcessEngine; mark("imports")
studio = InProcessEngine("cpu", "1"); assert studio.ready.methods; mark("ready")
request = build_request("a red circle on a blue background", seed=7)
method = find_method(request.method)
method.load(request, studio.runtime); mark("weights")
states = method.begin(Job("a", 1, "", request), {}, studio.runtime); mark("begin")
method.advance(states, studio.runtime); mark("first")
method.advance(states, studio.runtime); mark("second")
before = time.process_time()
assert studio.paint(request).pictures[0].png
marks["picture"] = marks["second"] + (time.process_time() - before) - (marks["first"] - marks["begin"])
print(json.dumps(marks))
"""


def run() -> list[Figure]:
    """Each phase, and all together."""
    rounds = [_phases() for _ in range(ROUNDS)]
    figures = [
        Figure(words, statistics.median(times[name] for times in rounds), "CPU s") for name, words in PHASES.items()
    ]
    return [*figures, Figure("all of it", statistics.median(sum(times.values()) for times in rounds), "CPU s")]


def _phases() -> dict[str, float]:
    """One fresh process, as the engine's is started."""
    environment = child_environment(os.environ, device="cpu", threads="1")
    done = subprocess.run(
        [sys.executable, "-c", CHILD], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    marks: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    times = [marks[name] for name in PHASES]
    return {name: after - before for name, before, after in zip(PHASES, [0.0, *times], times, strict=False)}

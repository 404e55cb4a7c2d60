"""Rates on a GPU: eager, compiled and CUDA-graph steps, and number formats; at most nine minutes.

Usage: python -m scripts.bench.gpu --out FILE [--budget 540] [--tiny]

Each case trains steps on made-up images in this process; what is refused, fails or has no time left
is named with its reason. `--tiny` is the same on small sizes, for a processor.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trainer import compose
from trainer.core.environment import World
from trainer.loop import Pause, fit
from trainer.record.provenance import device_name, host, versions
from trainer.run.assemble import assemble
from trainer.run.device import prepare

STEPS, WARM_UP = 30, 5
ENGINES = {
    "eager": (),
    "compile": ("engine=compile",),
    "reduce-overhead": ("engine=compile", "compile.mode=reduce-overhead"),
}
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


def cases(is_tiny: bool) -> Iterator[dict[str, Any]]:
    """Yield what is measured, the most telling first."""
    sizes = {"airnet": (32, 1024), "resnet9": (32, 512), "resnet50": (224, 128)}
    if is_tiny:
        sizes = {"airnet": (32, 8)}
    for model, (side, batch_size) in sizes.items():
        shape = f"data.image_shape=[3,{side},{side}]"
        words = ("data=synthetic", shape, f"data.num_train={batch_size * 4}", "data.num_test=10")
        words = (*words, "data.val=0", "data.last=drop", f"model={model}", "max_steps=1000000")
        words = (*words, "epochs=1000000", f"batch_size={batch_size}", "optim.lr=1e-4")
        if is_tiny:
            words = (*words, "model.width=4", "device=cpu", "threads=1")
        for engine, more in ENGINES.items():
            yield {"model": model, "engine": engine, "precision": "bf16", "words": (*words, *more)}
        for precision in PRECISIONS:
            if precision != "bf16":
                yield {"model": model, "engine": "eager", "precision": precision, "words": words}


def rate(words: Sequence[str], steps: int) -> dict[str, Any]:
    """Return images per second over the steps after the first, and what compiling took."""
    config = compose(*words)
    run, context = assemble(config, *prepare(config, World()))
    found, last = [], run.seconds_now()
    for event in fit(run, pause=lambda clock: True):
        if not isinstance(event, Pause):
            last = run.seconds_now()
            continue
        now = run.seconds_now()
        found.append(now - last)
        last = now
        if len(found) == steps + WARM_UP:
            break
    return {
        "images_per_s": config.batch_size / statistics.median(found[WARM_UP:]),
        "engine_used": context.config.engine,
        "compile_s": run.state.seconds.get("compile", 0.0),
        "device": device_name(run.device),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure while there is time, and write and print what was found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--budget", type=float, default=540.0, help="seconds")
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args(arguments)
    start, rows = time.perf_counter(), []
    for case in cases(options.tiny):
        words = (*case.pop("words"), f"precision={case['precision']}")
        if time.perf_counter() - start > 0.8 * options.budget:
            rows.append({**case, "why": "no time was left"})
            continue
        try:
            rows.append({**case, **rate(words, 2 if options.tiny else STEPS)})
        except Exception as error:  # one case costs no other
            rows.append({**case, "why": f"{type(error).__name__}: {str(error).splitlines()[0]}"})
        print(json.dumps(rows[-1]), flush=True)
        facts = {"host": host(), "versions": versions(), "cases": rows}
        options.out.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

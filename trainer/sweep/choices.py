"""What a sweep's jobs leave to the machine, `precision=auto` and `engine=auto`, chosen once before
the first starts: the same in all jobs of a network, and written into their overrides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainer.config.run_config import RunConfig
from trainer.core.errors import Stopped
from trainer.core.signals import Stops
from trainer.record.console import Console
from trainer.run.choices import is_open
from trainer.sweep.jobs import Job
from trainer.sweep.messages import ChoiceRequest
from trainer.sweep.plan import Launcher
from trainer.sweep.supervisor import pool_for


def settle_choices(jobs: Sequence[Job], console: Console) -> list[Job]:
    """Return jobs whose configurations and overrides hold what was chosen, said in a line each.

    A worker of its own asks, with nothing beside it; where it cannot, as when images are missing,
    a job is left as it is and will say so.

    Raises:
        Stopped: after a signal.
    """
    asking = [job.config for job in jobs if job.config is not None and is_open(job.config)]
    if not asking:
        return list(jobs)
    pool = pool_for(asking[:1], Launcher(workers=1))
    said: dict[str, None] = {}
    answers: dict[str, RunConfig | None] = {}
    done = []
    try:
        pool.start()
        with Stops() as stops:
            for job in jobs:
                config = job.config
                if config is not None and is_open(config):
                    program = str(replace(config, seed=0, optim=asking[0].optim))
                    if program not in answers:
                        reply = pool.ask(ChoiceRequest(config), lambda: stops.signum)
                        answers[program] = None if reply is None else reply.config
                        said |= dict.fromkeys(() if reply is None else reply.said)
                    job = with_choices(job, config, answers[program])
                done.append(job)
            if stops.signum:
                raise Stopped("the sweep was stopped before its first job", stops.signum)
    finally:
        pool.close()
    for line in said:
        console.say(line)
    return done


def with_choices(job: Job, config: RunConfig, answer: RunConfig | None) -> Job:
    """Return a job with what was chosen for its network, in its overrides too."""
    if answer is None:
        return job
    words = {"precision": answer.precision.name, "engine": answer.engine}
    asked = {"precision": config.precision.name, "engine": config.engine}
    fresh = {key: word for key, word in words.items() if word != asked[key]}
    kept = (w for w in job.overrides if w.split("=")[0].lstrip("+") not in fresh)
    return replace(
        job,
        overrides=(*kept, *(f"{key}={word}" for key, word in fresh.items())),
        config=replace(config, precision=answer.precision, engine=answer.engine),
    )

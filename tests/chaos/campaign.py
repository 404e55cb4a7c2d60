"""Trials of several attacks, spread over processes; what each comes to is told in whole lines."""

from __future__ import annotations

import json
import os
import random
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import connection, get_context
from multiprocessing.connection import Connection
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.chaos.trial import Arena, adopt_orphans

KIND = ": "  # stands in the name of what is counted by kinds


@dataclass(frozen=True)
class Task:
    """One trial."""

    attack: str
    number: int


@dataclass(frozen=True)
class Result:
    """What a trial came to.

    Attributes:
        held: whether the attack was withstood.
        told: a line on what was done, or why it was not withstood.
        counts: what was done, by name.
    """

    task: Task
    seed: int
    held: bool
    told: str
    seconds: float
    counts: Mapping[str, int] = field(default_factory=dict)

    def lines(self) -> str:
        """Return it as people read it: with the line that does it again, if it failed."""
        name, number = self.task.attack, self.task.number
        if self.held:
            return f"{name} {number} (seed {self.seed}) {self.seconds:.1f} s: {self.told}"
        again = f"python -m tests.chaos {name} --seed {self.seed} --trial {number}"
        return f"{name} {number} (seed {self.seed}) FAILED: {self.told}\n  again: {again}"


def attempt(module: ModuleType, arena: Arena, task: Task) -> Result:
    """Do one trial."""
    name, seed, number = task.attack, arena.seed, task.number
    before, start, held = dict(arena.counts), time.monotonic(), True
    try:
        told = module.trial(arena, random.Random(f"{name} {seed} {number}"), number)
    except Exception as error:
        told = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        held = False
    counts = {
        what: count - before.get(what, 0)
        for what, count in arena.counts.items()
        if what not in before or count != before[what]
    }
    return Result(task, seed, held, told, time.monotonic() - start, counts)


def spread(counts: Mapping[str, int]) -> list[Task]:
    """Return the trials of all attacks, so many of each, in an order in which all of them advance
    alike."""
    tasks = [Task(name, number) for name, count in counts.items() for number in range(count)]
    return sorted(tasks, key=lambda task: (task.number + 0.5) / counts[task.attack])


def carry_out(
    tasks: Sequence[Task],
    modules: Mapping[str, ModuleType],
    root: Path,
    seed: int,
    *,
    processes: int,
    budget_s: float,
) -> Iterator[Result]:
    """Yield the results of trials, done in processes that fork from this one, until the time for
    them is spent; a process that dies is a trial that failed."""
    context = get_context("fork")
    place = context.Value("i", 0)
    deadline = time.monotonic() + budget_s
    under_way: dict[Connection, tuple[Any, Task | None]] = {}
    for number in range(processes):
        mine, theirs = context.Pipe(duplex=False)

        def work(out: Connection = theirs, number: int = number) -> None:
            adopt_orphans()
            arena = Arena(root / str(number), seed)
            while time.monotonic() < deadline:
                with place.get_lock():
                    index, place.value = place.value, place.value + 1
                if index >= len(tasks):
                    break
                out.send(tasks[index])
                out.send(attempt(modules[tasks[index].attack], arena, tasks[index]))

        worker = context.Process(target=work)
        worker.start()
        theirs.close()
        under_way[mine] = (worker, None)
    while under_way:
        for pipe in connection.wait(list(under_way)):
            assert isinstance(pipe, Connection)
            worker, task = under_way[pipe]
            try:
                said = pipe.recv()
            except EOFError:
                worker.join()
                del under_way[pipe]
                if task is not None or worker.exitcode:
                    told = f"its process ended with code {worker.exitcode}"
                    yield Result(task or Task("none", 0), seed, False, told, 0.0)
                continue
            if isinstance(said, Result):
                yield said
            under_way[pipe] = (worker, said if isinstance(said, Task) else None)


@dataclass
class Tally:
    """What the trials of all attacks came to.

    Attributes:
        planned: trials, by attack.
    """

    planned: Mapping[str, int]
    results: list[Result] = field(default_factory=list)

    def of(self, attack: str) -> dict[str, float]:
        """Return how many trials of an attack were done and held, and the seconds they took."""
        found = [r for r in self.results if r.task.attack == attack]
        return {
            "planned": self.planned[attack],
            "trials": len(found),
            "held": sum(r.held for r in found),
            "seconds": round(sum(r.seconds for r in found), 1),
        }

    def counts(self) -> dict[str, int]:
        """Return what was done, by name."""
        total: dict[str, int] = {}
        for result in self.results:
            for what, count in result.counts.items():
                total[what] = total.get(what, 0) + count
        return dict(sorted(total.items()))

    def lines(self) -> list[str]:
        """Return a table for people."""
        table = [f"{name:14}{self.row(name)}" for name in self.planned]
        counts = self.counts()
        kinds: dict[str, list[int]] = {}
        for what, count in counts.items():
            kinds.setdefault(what.partition(KIND)[0] if KIND in what else "", []).append(count)
        table += [f"  {what}: {count}" for what, count in counts.items() if KIND not in what]
        for name, found in kinds.items():
            if name:
                table.append(f"  kinds of {name}: {sum(map(bool, found))} of {len(found)} met")
        return table

    def row(self, attack: str) -> str:
        """Return an attack's part of the table."""
        found = self.of(attack)
        held = f"{found['held']:5} of {found['trials']:4} held ({found['planned']} planned)"
        return f"{held}{found['seconds']:8.0f} s"

    def write(self, file: Path, facts: Mapping[str, Any]) -> None:
        """Write it for programs."""
        failures = [
            {"attack": r.task.attack, "trial": r.task.number, "told": r.told}
            for r in self.results
            if not r.held
        ]
        content = {
            **facts,
            "attacks": {name: self.of(name) for name in self.planned},
            "counts": self.counts(),
            "failures": failures,
        }
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def facts_of(seed: int, processes: int, seconds: float) -> dict[str, Any]:
    """Return what a report says of where and how it was made."""
    from trainer.record import provenance

    return {
        "seed": seed,
        "processes": processes,
        "seconds": round(seconds, 1),
        "git": provenance.git_state()[0],
        "versions": provenance.versions(),
        "host": provenance.host(),
        "cores": len(os.sched_getaffinity(0)),
    }

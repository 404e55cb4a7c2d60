"""Attacks on the promise that a run loses nothing, as programs.

`python -m tests.chaos` runs all of them, `--quick` a few minutes' worth, `--processes 2` two trials
at a time, and `python -m tests.chaos kills --seed 7 --trial 3` does one trial again. An attack is a
module of this package with

    QUICK, FULL = 20, 400                         # trials

    def trial(arena: Arena, draw: random.Random, number: int) -> str:
        '''Attack once and return a line on what was done; raise AssertionError if it succeeded.'''

and nothing else needs to know of it. All chance comes from `draw`, which is made of the seed, the
attack's name and the trial's number. `arena` gives configurations, uninterrupted runs to compare
with, and processes that fork from this one, so that a run starts in tenths of a second.
"""

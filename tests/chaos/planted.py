"""Safeguards taken out one by one: each must turn a test red, or the tests prove nothing.

Usage: python -m tests.chaos.planted [--workers 2] [--report FILE] [NAME ...]

Each bug is planted in a copy of the tree, where the tests that are to notice it are run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("conf", "trainer", "tests", "scripts", "docs", "setup.cfg", "pyproject.toml")
COPIED_TOO = ("README.md", "CHANGELOG.md", "LICENSE", "Makefile")
FAILED = 1  # pytest's code where tests ran and some failed


@dataclass(frozen=True)
class Bug:
    """A safeguard that is missing.

    Attributes:
        name: what is missing.
        file: below `trainer/`.
        old: its text, once in the file.
        new: what stands there without it.
        red: the test that must fail.
    """

    name: str
    file: str
    old: str
    new: str
    red: str


RESUMED = "tests/run/test_resume.py::test_killed_runs_end_with_the_same_weights"
IDLE = "tests/run/test_effects.py"
FIT = "tests/task/test_lr_range_fit.py"
WORDS = "tests/composition/test_other_tools.py"
BUGS = (
    # checkpoints: never a wrong load, nothing lost
    Bug(
        "sums of files are not checked",
        "checkpoint/format.py",
        'if hashlib.sha256((path / name).read_bytes()).hexdigest() != facts["sha256"]:',
        "if False:",
        "tests/checkpoint/test_format.py::test_five_hundred_damaged_checkpoints_are_never_loaded",
    ),
    Bug(
        "files are not checked again when they are loaded",
        "checkpoint/format.py",
        'if hashlib.sha256(content).hexdigest() != self.manifest["files"][name]["sha256"]:',
        "if False:",
        "tests/checkpoint/test_format.py::test_what_changes_after_it_was_verified_is_not_loaded",
    ),
    Bug(
        "a manifest may name files elsewhere",
        "checkpoint/format.py",
        "if (path / name).parent != path or not has_size",
        "if not has_size",
        "tests/checkpoint/test_format.py::test_a_manifest_cannot_point_outside_its_folder",
    ),
    Bug(
        "a manifest may stand in another step's folder",
        "checkpoint/format.py",
        """ or f"step-{manifest['step']:08d}" != path.name:""",
        ":",
        "tests/checkpoint/test_format.py::test_a_file_of_another_checkpoint_is_noticed",
    ),
    Bug(
        "a checkpoint is not read back",
        "checkpoint/format.py",
        "written = verify(final)",
        "written = Checkpoint(final, step, manifest)",
        "tests/checkpoint/test_format.py::test_what_does_not_read_back_is_an_error_and_nothing_is_deleted",
    ),
    Bug(
        "damaged checkpoints count as kept",
        "checkpoint/format.py",
        "good += path in known or verify(path) is not None",
        "good += 1",
        "tests/checkpoint/test_format.py::test_damaged_checkpoints_take_no_place_of_good_ones",
    ),
    Bug(
        "the best checkpoint is deleted with the others",
        "checkpoint/format.py",
        "elif path.name not in kept:",
        "else:",
        "tests/checkpoint/test_format.py::test_pruning_keeps_the_newest_and_the_best",
    ),
    Bug(
        "a deleted checkpoint keeps its name to the end",
        "checkpoint/format.py",
        'move_aside(path, "removed")',
        "shutil.rmtree(path)",
        "tests/checkpoint/test_format.py::test_a_deleted_checkpoint_loses_its_name_first",
    ),
    # resume: the same bits
    Bug(
        "the generator is not put back",
        "state.py",
        'torch.set_rng_state(mine["generator"])',
        "pass",
        f"{RESUMED}[dropout_ema]",
    ),
    Bug(
        "the optimizer's state is not put back",
        "state.py",
        'run.optimizer.load_state_dict(saved["optimizer"])',
        "pass",
        f"{RESUMED}[plain]",
    ),
    Bug(
        "the loss scale is not put back",
        "precision/step.py",
        "self.scaler.load_state_dict(state)",
        "pass",
        f"{RESUMED}[adam_ema_mixup_fp16]",
    ),
    Bug(
        "the average's count is not put back",
        "average/_averaged_copy.py",
        'self.count = int(state["count"])',
        "pass",
        f"{RESUMED}[swa_bf16]",
    ),
    Bug(
        "a schedule that observes is not put back",
        "state.py",
        'run.group_schedules.load_state_dict(saved["group_schedules"])',
        "pass",
        f"{RESUMED}[swa_bf16]",
    ),
    Bug(
        "the epoch under way is not put back",
        "state.py",
        'state.meter.load_state_dict(mine["meter"])',
        "pass",
        f"{RESUMED}[plain]",
    ),
    Bug(
        "rows after the checkpoint stay",
        "record/run_folder.py",
        'if row["step"] <= step]',
        "]",
        "tests/record/test_run_folder.py::test_rows_after_a_step_and_half_written_ones_are_cut",
    ),
    Bug(
        "a run goes on under another configuration",
        "run/resume.py",
        "    if changed:\n",
        "    if False:\n",
        "tests/run/test_resume.py::test_a_checkpoint_of_another_run_or_an_edited_configuration_is_refused",
    ),
    Bug(
        "an evaluation makes a signal wait for its end",
        "loop.py",
        "mine = Turn.STOP if stop() else Turn.DONE if batch is None else Turn.BATCH",
        "mine = Turn.DONE if batch is None else Turn.BATCH",
        "tests/test_evaluation.py::test_a_signal_ends_an_evaluation_at_the_next_batch",
    ),
    Bug(
        "an evaluation that was left moves statistics",
        "loop.py",
        "model = with_own_buffers(average)",
        "model = average",
        "tests/test_evaluation.py::test_a_signal_ends_an_evaluation_at_the_next_batch",
    ),
    Bug(
        "an epoch that is evaluated again has two rows",
        "run/recording.py",
        "self.folder.reopen(self.run.state.meter.first,",
        "self.folder.reopen(self.run.state.step,",
        "tests/test_evaluation.py::test_an_epoch_evaluated_after_a_stop_has_one_row_whatever_comes_then",
    ),
    Bug(
        "an epoch that was not evaluated counts as saved",
        "checkpoint/saver.py",
        "self.step = run.state.step - run.is_trained()",
        "self.step = run.state.step",
        "tests/test_evaluation.py::test_a_signal_ends_an_evaluation_at_the_next_batch",
    ),
    # one writer, whole files
    Bug(
        "two may write one run",
        "core/locks.py",
        "lock.acquire(blocking=wait)",
        "pass",
        "tests/record/test_run_folder.py"
        "::test_a_second_writer_is_refused_and_a_killed_one_leaves_the_lock_free",
    ),
    Bug(
        "a file system without locks is an error",
        "core/locks.py",
        "if error.filename is not None:",
        "if True:",
        "tests/core/test_locks.py"
        "::test_without_locks_a_marker_stands_for_one_and_a_note_says_so_once",
    ),
    Bug(
        "two runs may share a folder",
        "record/run_folder.py",
        "if wanted is not None and path.is_dir() and any(path.iterdir()):",
        "if False:",
        "tests/record/test_run_folder.py::test_a_folder_with_something_in_it_is_never_shared",
    ),
    Bug(
        "a full disk is an error like any other",
        "core/files.py",
        "if error.errno not in DISK_ERRORS:",
        "if True:",
        "tests/checkpoint/test_format.py::test_a_full_disk_leaves_earlier_checkpoints_alone",
    ),
    Bug(
        "a read-only disk is one without permission",
        "record/run_folder.py",
        "            check_read_only(existing)",
        "            pass",
        "tests/record/test_read_only.py::test_a_new_run_there_ends_before_it_begins",
    ),
    Bug(
        "what a checkpoint in the background meets is rank 0's alone",
        "run/runner.py",
        "            on_all_ranks(self.run.strategy, self.saver.join)\n        return action",
        "            self.saver.join()\n        return action",
        "tests/strategy/test_processes.py::test_what_a_checkpoint_in_the_background_meets_is_an_error_of_all"
        "[agreed]",
    ),
    # numbers that are not finite
    Bug(
        "a loss that is not finite is averaged",
        "metrics.py",
        "if len(bad):",
        "if False:",
        "tests/test_metrics.py::test_the_first_step_whose_loss_is_not_finite_is_named",
    ),
    Bug(
        "weights that are not finite are trained on",
        "metrics.py",
        "if not math.isfinite(largest):",
        "if False:",
        "tests/test_metrics.py::test_weights_that_are_not_finite_are_named",
    ),
    Bug(
        "scores that are not finite are recorded",
        "metrics.py",
        "if scores is not None and not math.isfinite(scores.loss):",
        "if False:",
        "tests/run/test_execute.py::test_scores_that_are_not_finite_are_divergence_and_no_numbers",
    ),
    Bug(
        "statistics that are not finite are saved",
        "checkpoint/saver.py",
        "model.state_dict().values()",
        "model.parameters()",
        "tests/checkpoint/test_saver.py::test_no_checkpoint_holds_a_number_that_is_not_finite",
    ),
    Bug(
        "a step whose gradients overflowed is taken",
        "precision/step.py",
        "if not self.are_finite():\n                return False",
        "self.are_finite()",
        "tests/precision/test_step.py::test_an_overflow_skips_the_step_halves_the_scale_and_moves_nothing",
    ),
    Bug(
        "steps may be skipped for ever",
        "precision/step.py",
        "if self.scale < LEAST_SCALE:",
        "if False:",
        "tests/precision/test_runs.py::test_endless_skipping_ends_the_run_with_its_own_code",
    ),
    Bug(
        "gradients are clipped before they are unscaled",
        "precision/step.py",
        "            self.scaler.unscale_(optimizer)\n",
        '            clip(p for group in optimizer.param_groups for p in group["params"])\n'
        "            self.scaler.unscale_(optimizer)\n",
        "tests/precision/test_step.py::test_a_step_is_gradients_then_clip_then_one_optimizer_step",
    ),
    Bug(
        "averages move on skipped steps",
        "loop.py",
        "            state.skipped_steps += 1\n",
        "            state.skipped_steps += 1\n"
        "            run.average.update(run.model, run.clock())\n",
        "tests/precision/test_runs.py::test_overflows_are_skipped_counted_and_recorded_while_time_goes_on",
    ),
    # the same images, the same counts
    Bug(
        "every epoch has the order of the first",
        "data/_batches.py",
        "rng.stream(self._seed, *stream, epoch).permutation",
        "rng.stream(self._seed, *stream, 0).permutation",
        "tests/data/test_batches.py::test_order_depends_on_seed_and_epoch_alone",
    ),
    Bug(
        "every process evaluates all images",
        "data/_steps.py",
        "return rank * num // world_size, (rank + 1) * num // world_size",
        "return 0, num",
        "tests/data/test_batches.py::test_evaluation_counts_each_image_once_over_all_ranks",
    ),
    Bug(
        "gradients of several processes are averaged twice",
        "strategy/ddp.py",
        "return loss * self.world.size",
        "return loss",
        "tests/strategy/test_ddp.py::test_two_processes_equal_one_and_leave_one_folder",
    ),
    Bug(
        "statistics of averaged weights stay those of the last ones",
        "loop.py",
        "if run.average.is_stale:",
        "if False:",
        "tests/average/test_all_averages.py::test_an_average_is_what_its_formula_says_and_resumes_bit_for_bit",
    ),
    # inputs that attack
    Bug(
        "YAML aliases are followed",
        "core/yaml_files.py",
        "if isinstance(event, yaml.AliasEvent):",
        "if False:",
        "tests/cli/test_attacks.py::test_a_configuration_that_would_break_the_loader_is_refused",
    ),
    Bug(
        "nesting has no bound",
        "core/yaml_files.py",
        "if depth > MAX_DEPTH:",
        "if False:",
        "tests/cli/test_attacks.py::test_a_configuration_that_would_break_the_loader_is_refused",
    ),
    Bug(
        "files are unpickled with their code",
        "checkpoint/format.py",
        'map_location="cpu", weights_only=True',
        'map_location="cpu", weights_only=False',
        "tests/test_architecture.py",
    ),
    Bug(
        "a second signal waits for the step as the first does",
        "core/signals.py",
        "os._exit(128 + signum)",
        "pass",
        "tests/core/test_signals.py::test_a_second_signal_ends_the_process_at_once",
    ),
    # every part acts, and what is suggested is there
    Bug(
        "nobody asks whether a schedule moves",
        "run/effects.py",
        "        *idle_schedule(config, schedule, clock),\n",
        "",
        f"{IDLE}::test_a_schedule_that_the_run_is_too_short_for_is_refused",
    ),
    Bug(
        "nobody asks whether an average averages",
        "run/effects.py",
        "        *idle_average(config, snapshots, clock),\n",
        "",
        f"{IDLE}::test_a_part_that_its_values_keep_from_acting_is_legal_and_said",
    ),
    Bug(
        "nobody asks whether a mixing mixes",
        "run/effects.py",
        "        *idle_mix(config, mix, clock, data.image_shape, micro_batch),\n",
        "",
        f"{IDLE}::test_a_part_that_its_values_keep_from_acting_is_legal_and_said",
    ),
    Bug(
        "nobody asks whether an augmentation changes images",
        "run/effects.py",
        "        *idle_augment(config, clock, data.image_shape),\n",
        "",
        f"{IDLE}::test_a_part_that_its_values_keep_from_acting_is_legal_and_said",
    ),
    Bug(
        "a part that acts is said to be idle",
        "run/effects.py",
        "return not same or not torch.equal(",
        "return not same and not torch.equal(",
        f"{IDLE}::test_of_a_part_that_acts_nothing_is_said",
    ),
    Bug(
        "scatter is taken for a fall",
        "task/_lr_range_fit.py",
        "if fall <= max(SPREADS * spread, ROUNDING * float(losses.max())):",
        "if fall <= ROUNDING * float(losses.max()):",
        f"{FIT}::test_scatter_alone_suggests_nothing",
    ),
    Bug(
        "a loss that still falls has its least at the end",
        "task/_lr_range_fit.py",
        "if least == len(losses) - 1 and not sweep.diverged:",
        "if False:",
        f"{FIT}::test_a_loss_that_still_falls_at_the_end_is_said_to",
    ),
    # small batches, places, spellings
    Bug(
        "single images reach BatchNorm",
        "run/assemble.py",
        "    if has_batch_norm(model):",
        "    if False:",
        "tests/run/test_micro_batch.py::test_the_rest_of_an_epoch_is_held_to_the_same",
    ),
    Bug(
        "single images are refused only once data is there",
        "run/device.py",
        "least = 1 if is_enough else SMALLEST",
        "least = 1",
        "tests/run/test_micro_batch.py::test_it_is_told_before_data_is_loaded_and_leaves_nothing",
    ),
    Bug(
        "single images are mixed with themselves",
        "run/effects.py",
        'elif micro_batch == 1 and keys.partners == "permuted":',
        "elif False:",
        "tests/run/test_effects.py::test_mixing_within_micro_batches_of_one_image_is_refused",
    ),
    Bug(
        "a study looks for its runs where the line alone says",
        "study/study.py",
        'if is_preset or word.key == "outputs":',
        'if word.key == "outputs":',
        "tests/study/test_spec.py::test_a_study_s_folder_is_where_its_runs_go_whoever_says_so",
    ),
    Bug(
        "blanks that are none indent a configuration",
        "core/yaml_files.py",
        "        if odd:",
        "        if False:",
        "tests/cli/test_raw_errors.py::test_what_keeps_a_configuration_from_being_read_is_named",
    ),
    Bug(
        "a sweep spells values as Python does",
        "sweep/expand.py",
        "is_spelt = isinstance(value, bool | float)",
        "is_spelt = False",
        "tests/sweep/test_expand.py::test_values_are_spelt_as_on_a_command_line",
    ),
    # words of other tools
    Bug(
        "keys of other tools are not known",
        "composition/other_tools.py",
        "    if word in LINES:",
        "    if False:",
        f"{WORDS}::test_every_word_for_a_key_is_answered_by_a_line_that_composes",
    ),
    Bug(
        "choices of other tools are not known",
        "composition/other_tools.py",
        "return NAMES.get(group, {}).get(plain(name))",
        "return None",
        f"{WORDS}::test_every_word_for_a_choice_is_answered_by_a_line_that_composes",
    ),
    Bug(
        "another spelling of another tool's word is not known",
        "composition/other_tools.py",
        "    word = plain(key)\n",
        "    word = key\n",
        f"{WORDS}::test_every_word_for_a_key_is_answered_by_a_line_that_composes",
    ),
)


def plant(bug: Bug, place: Path) -> None:
    """Copy the tree and take a safeguard out of the copy."""
    for name in (*COPIED, *COPIED_TOO):
        source = ROOT / name
        if source.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.png")
            shutil.copytree(source, place / name, ignore=ignored)
        elif source.exists():
            shutil.copy(source, place / name)
    file = place / "trainer" / bug.file
    text = file.read_text(encoding="utf-8")
    assert text.count(bug.old) == 1, f"{bug.name}: {bug.file} has its text {text.count(bug.old)}x"
    file.write_text(text.replace(bug.old, bug.new), encoding="utf-8")


def verdict(bug: Bug) -> tuple[bool, str, float]:
    """Plant a bug and run its test: whether it is red, what pytest said last, and the seconds."""
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        plant(bug, Path(folder))
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        done = subprocess.run(
            [*command, "-p", "no:xdist", bug.red],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": folder, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
        )
    last = (done.stdout.strip() or done.stderr.strip()).splitlines()[-1]
    return done.returncode == FAILED, last, time.perf_counter() - start


def chosen(names: Iterable[str]) -> list[Bug]:
    """Return the bugs whose names hold one of these words, or all."""
    wanted = list(names)
    return [bug for bug in BUGS if not wanted or any(word in bug.name for word in wanted)]


def main() -> None:
    """Plant each bug, print what became of it, and fail if one was not noticed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--report", type=Path, help="write the table here, in Markdown")
    options = parser.parse_args()
    bugs = chosen(options.names)
    rows = ["| what was taken out | file | noticed by | |", "|---|---|---|---|"]
    missed = 0
    with ThreadPoolExecutor(options.workers) as pool:
        for bug, (is_red, said, seconds) in zip(bugs, pool.map(verdict, bugs), strict=True):
            missed += not is_red
            word = "red" if is_red else "NOT NOTICED"
            print(f"{word:12} {seconds:5.1f} s  {bug.name}  ({said})", flush=True)
            rows.append(f"| {bug.name} | `trainer/{bug.file}` | `{bug.red}` | {word} |")
    print(f"{len(bugs) - missed} of {len(bugs)} planted bugs were noticed")
    if options.report:
        options.report.write_text("\n".join(rows) + "\n", encoding="utf-8")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()

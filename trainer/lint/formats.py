"""Rules about number formats."""

from trainer.lint import LintContext, rule

HALVES = ("bf16",)


@rule
def bf16_slower_here(context: LintContext) -> str | None:
    """`precision=bf16` where a probe of this network on this machine found it slower than fp32.

    On a CPU bf16 gains where multiplications are wide matrices, and loses elsewhere: it rounds to
    8 bits for nothing.

    Source: the kept result of `precision=auto` or `engine=auto`, which probe the run's own network
    (docs/reference/speed.md).
    """
    if context.config.precision.name not in HALVES:
        return None
    gain = context.ask_bf16_gain()
    if gain is None or gain >= 1.0:
        return None
    return (
        f"precision=bf16 takes {1 / gain:.2f} times as long as fp32 for this network here: set "
        "precision=fp32, or precision=auto, which asks"
    )

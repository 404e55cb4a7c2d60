"""Rules about the optimizer's numbers."""

from trainer.lint import LintContext, rule

RULE_IMAGES = 256  # the batch that the linear rule's rate is for

ADAMS = ("adam", "adamw", "nadam", "radam", "adamax")

# The rate of the paper or of common recipes at batches of about 256, and the greatest and least
# that still train most networks.
USUAL = {"sgd": 0.1, **dict.fromkeys(ADAMS, 1e-3), "rmsprop": 1e-3, "lion": 3e-4}
GREATEST = {"sgd": 10.0, **dict.fromkeys(ADAMS, 0.03), "rmsprop": 0.03, "lion": 0.01}
LEAST = {"sgd": 1e-4, **dict.fromkeys(ADAMS, 1e-6), "rmsprop": 1e-6, "lion": 1e-7}

# Ten times what recipes use; above, the decay outweighs the loss.
MOST_DECAY = {"sgd": 5e-3, "adamw": 1.0, "lion": 10.0}

FAR = 10.0  # times the rate that was found, either way


@rule
def rate_scaled_twice(context: LintContext) -> str | None:
    """The linear rule on a learning rate that is scaled to the batch already.

    With `optim.lr_rule=linear`, `optim.lr` is meant for 256 images and multiplied by the batch over
    256. A rate that was multiplied by hand is multiplied again, and the run diverges.

    Source: "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 2.1: 0.1 for 256 images.
    """
    optim, size = context.config.optim, context.config.batch_size
    usual, times = USUAL.get(optim.name), size / RULE_IMAGES
    if optim.shared.lr_rule != "linear" or usual is None or times < 2 or is_swept(context):
        return None
    lr = optim.shared.lr
    if lr < 0.999 * usual * times:
        return None
    return (
        f"optim.lr={lr:g} with optim.lr_rule=linear is {context.peak:g} at batch_size={size}: it "
        f"looks scaled already; set optim.lr={lr / times:.3g} or optim.lr_rule=none"
    )


@rule
def linear_rule_for_adam(context: LintContext) -> str | None:
    """The linear rule for an optimizer that divides by the gradient's size.

    Adam's steps do not shrink with the gradient, and its noise grows with the root of the batch
    only: the rate goes with the root of the batch, not with the batch.

    Source: "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", arXiv:2205.10287.
    """
    optim, size = context.config.optim, context.config.batch_size
    if optim.shared.lr_rule != "linear" or optim.name not in (*ADAMS, "rmsprop"):
        return None
    if size == RULE_IMAGES:
        return None
    root = optim.shared.lr * (size / RULE_IMAGES) ** 0.5
    return (
        f"optim.lr_rule=linear with optim={optim.name}: its rate goes with the root of the batch; "
        f"set optim.lr_rule=none optim.lr={root:.2g}"
    )


@rule
def rate_out_of_range(context: LintContext) -> str | None:
    """A peak of the learning rate at which this optimizer hardly ever trains.

    Adam moves each weight by about the rate at every step, whatever the gradient: 0.1 is as large
    as the weights are. SGD moves it by rate times gradient: 1e-4 leaves it where it began.

    Source: "Adam: A Method for Stochastic Optimization", arXiv:1412.6980, section 2.1 (steps are
    bounded by the rate); "Practical recommendations for gradient-based training of deep
    architectures", arXiv:1206.5533, section 3.1.1.
    """
    name, peak = context.config.optim.name, context.peak
    if name not in USUAL or is_swept(context):
        return None
    if LEAST[name] < peak <= GREATEST[name]:
        return None
    how = "high" if peak > GREATEST[name] else "low"
    return (
        f"a peak of {peak:g} is very {how} for optim={name}, whose usual rate is {USUAL[name]:g}: "
        f"set optim.lr={USUAL[name]:g}, or ask task=lr_range"
    )


@rule
def rate_far_from_found(context: LintContext) -> str | None:
    """A learning rate ten times above or below what `task=lr_range` found for this configuration.

    The sweep went through the rates with the same network, images, optimizer and batch, and saw
    where the loss falls fastest; far from there it falls slowly, or leaves.

    Source: "Cyclical Learning Rates for Training Neural Networks", arXiv:1506.01186, section 3.3.
    """
    if is_swept(context):
        return None
    found = context.ask_found_lr()
    if found is None:
        return None
    (best, path), lr = found, context.config.optim.shared.lr
    if best / FAR < lr < best * FAR:
        return None
    times = lr / best if lr > best else best / lr
    side = "above" if lr > best else "below"
    return (
        f"optim.lr={lr:g} is {times:.2g} times {side} the {best:g} that task=lr_range found "
        f"({path}): set optim.lr={best:g}"
    )


@rule
def decay_out_of_range(context: LintContext) -> str | None:
    """A weight decay ten times above what recipes of this optimizer use.

    The pull to zero then outweighs the loss: weights shrink until nothing is learnt. A decay of
    0.1 belongs to AdamW, whose decay is multiplied by a rate of 1e-3; SGD multiplies it by 0.1.

    Source: "Decoupled Weight Decay Regularization", arXiv:1711.05101, section 2: the best decay
    depends on the rate it is multiplied by; 5e-4 for SGD, arXiv:1605.07146; 0.05 for AdamW,
    arXiv:2012.12877.
    """
    optim = context.config.optim
    decay, most = optim.shared.weight_decay, MOST_DECAY.get(optim.name)
    if most is None or decay < most or "optim.weight_decay" in context.swept:
        return None
    return (
        f"optim.weight_decay={decay:g} is 10 times what recipes with optim={optim.name} use, or "
        f"more: set optim.weight_decay={most / 10:g}"
    )


@rule
def decay_in_adam(context: LintContext) -> str | None:
    """Weight decay in Adam, where it is part of the gradient.

    Adam divides it by the gradient's size, so that weights with large gradients are decayed least.
    AdamW decays all alike, and generalises better.

    Source: "Decoupled Weight Decay Regularization", arXiv:1711.05101, section 4.
    """
    optim = context.config.optim
    if optim.name != "adam" or optim.shared.weight_decay == 0.0:
        return None
    return (
        f"optim.weight_decay={optim.shared.weight_decay:g} with optim=adam is divided by the "
        "gradient's size: set optim=adamw optim.weight_decay=0.05"
    )


def is_swept(context: LintContext) -> bool:
    """Return whether a sweep asks which learning rate is best: then any may be meant."""
    return any(key in context.swept for key in ("optim.lr", "optim.lr_rule"))

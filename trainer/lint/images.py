"""Rules about images, batches and evaluation."""

import math
from typing import Any

from trainer.lint import LintContext, rule

FEWEST_VAL = 100
USUAL_TOP1 = 0.9  # at which the interval's width is told
FEWEST_EPOCHS = 5  # of mixing
SMALL_IMAGE, SMALL_AREA = 64, 0.25  # pixels of a side; share that a random part has at least

# Data sets of characters: mirrored, a 2 is no 2, and a 6 and a 9 are nothing.
DIGITS = ("digits", "digits_hard", "mnist")


@rule
def batch_larger_than_data(context: LintContext) -> str | None:
    """A batch of more images than there are to train on.

    Each epoch is then one step, of all images: gradient descent without noise, with as few updates
    as epochs.

    Source: "On Large-Batch Training for Deep Learning", arXiv:1609.04836: large batches generalise
    worse; here it is the largest there is.
    """
    size, images = context.config.batch_size, context.num_train
    if size <= images:
        return None
    return (
        f"batch_size={size} is more than the {images:,} training images: each epoch is one step; "
        f"set batch_size={max(2, 2 ** int(math.log2(max(images // 10, 2))))}"
    )


@rule
def few_val_images(context: LintContext) -> str | None:
    """A validation split of fewer than a hundred images.

    The accuracy on so few is known to several points at best: to choose by it is to choose at
    random.

    Source: the normal interval of a share p of n images, 1.96 * sqrt(p * (1 - p) / n).
    """
    images = context.num_val
    if not 0 < images < FEWEST_VAL:
        return None
    points = 196 * math.sqrt(USUAL_TOP1 * (1 - USUAL_TOP1) / images)
    return (
        f"data.val={context.config.data.shared.val} is {images} images: an accuracy of 90 % on "
        f"them is known to +-{points:.0f} points (95 %); set data.val={FEWEST_VAL} or more, or "
        "choose over seeds"
    )


@rule
def mirrored_digits(context: LintContext) -> str | None:
    """Digits that are mirrored, in training or when they are evaluated.

    A mirrored 2 is no digit, and a mirrored 5 looks like a 2: the label is wrong then.

    Source: "A survey on Image Data Augmentation for Deep Learning", Journal of Big Data 6:60
    (2019), on the safety of an augmentation: flips are not label-preserving on digits.
    """
    config = context.config
    if config.data.name not in DIGITS:
        return None
    chosen = augmentations(context)
    if "alternating_flip" in chosen:
        return (
            f"augment=alternating_flip mirrors the digits of data={config.data.name}, which makes "
            "others of them: set augment=shift"
        )
    if "standard" in chosen and chosen["standard"].flip:
        return (
            f"augment=standard mirrors the digits of data={config.data.name}, which makes others "
            "of them: set augment.standard.flip=false"
        )
    if config.tta != "none":
        return (
            f"tta={config.tta} asks about mirrored digits of data={config.data.name}: set tta=none"
        )
    return None


@rule
def mix_in_a_short_run(context: LintContext) -> str | None:
    """Mixing of examples in a run of fewer than five epochs.

    Mixed examples are harder: training takes longer before it gains from them. The papers train
    for hundreds of epochs, and short runs lose.

    Source: "Bag of Tricks for Image Classification with Convolutional Neural Networks",
    arXiv:1812.01187, section 5.4: from 120 to 200 epochs, as mixup needs more to converge.
    """
    name, epochs = context.config.mix.name, context.clock.total / context.clock.steps_per_epoch
    if name == "none" or epochs >= FEWEST_EPOCHS:
        return None
    return (
        f"mix={name} in a run of {epochs:.3g} epochs mostly slows it: train longer, or set mix=none"
    )


@rule
def tiny_parts_of_small_images(context: LintContext) -> str | None:
    """Random parts, down to a twelfth of the area, of images that are small already.

    `random_resized_crop` was made for photographs of hundreds of pixels. Of 32x32 pixels a part of
    8 % is 9x9, enlarged: often nothing of the object.

    Source: "Going Deeper with Convolutions", arXiv:1409.4842, section 6, where it comes from:
    parts of 224x224 pixels; recipes for CIFAR pad and crop instead, arXiv:1512.03385, section 4.2.
    """
    side, crop = min(context.image_shape[1:]), augmentations(context).get("random_resized_crop")
    if crop is None or side > SMALL_IMAGE or crop.scale[0] >= SMALL_AREA:
        return None
    return (
        f"augment.random_resized_crop.scale begins at {crop.scale[0]:g} of images of {side} "
        "pixels: set augment.random_resized_crop.scale=[0.5,1], or augment=standard"
    )


@rule
def most_of_an_image_is_cut_out(context: LintContext) -> str | None:
    """A `cutout` whose square is wider than three quarters of the image.

    Little of the object is left to learn from: the network then learns from images that say nothing
    of their class.

    Source: "Improved Regularization of Convolutional Neural Networks with Cutout",
    arXiv:1708.04552, figure 3: on 32x32 pixels accuracy falls from 16 pixels (CIFAR-10) or 8
    (CIFAR-100) on.
    """
    side, cutout = min(context.image_shape[1:]), augmentations(context).get("cutout")
    if cutout is None or cutout.size <= 0.75 * side:
        return None
    return (
        f"augment.cutout.size={cutout.size} hides most of an image of {side} pixels: set "
        f"augment.cutout.size={max(1, side // 2)} or less"
    )


@rule
def test_images_in_a_sweep(context: LintContext) -> str | None:
    """A sweep over choices in which every job looks at the test images.

    The best of many test accuracies is too good, by chance: who chooses by it has no images left
    to report on. A sweep over seeds alone chooses nothing.

    Source: "On Over-fitting in Model Selection and Subsequent Selection Bias in Performance
    Evaluation", JMLR 11 (2010), 2079-2107.
    """
    if not context.swept or not context.config.report_test:
        return None
    return (
        f"report_test=true in a sweep over {', '.join(context.swept[:3])}: choose on val, and look "
        "at test with the choice alone; leave report_test out"
    )


def augmentations(context: LintContext) -> dict[str, Any]:
    """Return the chosen augmentations, by name."""
    return {choice.name: choice.component for choice in context.config.augment}

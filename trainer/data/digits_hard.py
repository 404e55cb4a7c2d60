"""The packaged digits made hard enough for tricks of training to show."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.core import rng
from trainer.data import DATASETS, ConfigError, Images, Source, fingerprint, mean_std
from trainer.data._digits import CLASSES, WHITE, Digits, load_digits

SIDE = 8  # pixels of a stored digit
ONE = 1 << 12  # 1.0 in fixed point, in which pixels are computed alike on every machine
PATCH = 4  # pixels of a piece of clutter


@DATASETS.register("digits_hard")
@dataclass(frozen=True)
class DigitsHard:
    """Real digits on a larger canvas, each shifted, turned, scaled and cluttered at random.

    "Optical Recognition of Handwritten Digits", E. Alpaydin and C. Kaynak, UCI Machine Learning
    Repository, CC BY 4.0; the clutter (pieces of other digits) is that of "Recurrent Models of
    Visual Attention", arXiv:1406.6247.

    Made from `digits`, and split like it before anything else: all renditions of a test digit, and
    all clutter among them, are made of test digits alone. A training digit is rendered once, so
    that `val` shares no source with what is trained on. The run's seed moves nothing here.

    Attributes:
        canvas: height and width in pixels.
        shift: greatest shift in each direction, in pixels.
        rotation: greatest angle either way, in degrees.
        min_scale: smallest size, as a multiple of the stored 8x8 pixels.
        max_scale: largest size, likewise.
        clutter: pieces of other digits put on each image, 4x4 stored pixels each.
        test_renditions: images made of each of the 360 test digits.
        make_seed: seed of all of the above.
    """

    canvas: int = 16
    shift: float = 2.0
    rotation: float = 20.0
    min_scale: float = 1.0
    max_scale: float = 1.5
    clutter: int = 2
    test_renditions: int = 4
    make_seed: int = 0

    def __post_init__(self) -> None:
        if not SIDE <= self.canvas <= 64:
            raise ConfigError(f"data.canvas must be from {SIDE} to 64 pixels, got {self.canvas}")
        if not 0.0 <= self.shift <= self.canvas / 2:
            raise ConfigError(
                f"data.shift must be from 0 to half of data.canvas={self.canvas}, got {self.shift}"
            )
        if not 0.0 <= self.rotation <= 180.0:
            raise ConfigError(f"data.rotation must be from 0 to 180 degrees, got {self.rotation}")
        if not 0.1 <= self.min_scale <= self.max_scale <= 8.0:
            raise ConfigError(
                "data.min_scale and data.max_scale must be in [0.1, 8], the first not above "
                "the second; got "
                f"{self.min_scale} and {self.max_scale}"
            )
        for key, least in (("clutter", 0), ("test_renditions", 1), ("make_seed", 0)):
            if getattr(self, key) < least:
                raise ConfigError(f"data.{key} must be {least} or more, got {getattr(self, key)}")

    def read(self, root: str) -> Source:
        """Return all images; `root` is not looked at."""
        sources = load_digits()
        train = self._render(sources[0], "train", 1)
        test = self._render(sources[1], "test", self.test_renditions)
        mean, std = mean_std(train.images)
        return Source(train, test, CLASSES, mean, std, fingerprint([train, test]))

    def _render(self, digits: Digits, name: str, renditions: int) -> Images:
        """Return the images made of some digits, one rendition after the other."""
        pixels = np.tile(digits.pixels, (renditions, 1, 1))
        labels = np.tile(digits.labels, renditions)
        images = self._place(pixels, self._draw(name, len(labels)))
        for piece in range(self.clutter):
            images = np.maximum(images, self._clutter(digits, len(labels), name, piece))
        spread = (images * 255 + WHITE * ONE // 2) // (WHITE * ONE)
        return Images(torch.from_numpy(spread.astype(np.uint8)[:, None]), torch.from_numpy(labels))

    def _clutter(self, digits: Digits, num: int, name: str, piece: int) -> NDArray[np.int64]:
        """Return (N, canvas, canvas) pieces of digits, anywhere, in units of 1 / ONE."""
        draws = self._draw(name, num, "clutter", piece)
        source = digits.pixels[(draws[:, 4] * len(digits.pixels)).astype(np.int64)]
        corner = (draws[:, 5:7] * (SIDE - PATCH + 1)).astype(np.int64)
        # (N, 2, 8) rows and columns, counted from the corner
        within = np.arange(SIDE) - corner[:, :, None]
        rows, columns = ((within >= 0) & (within < PATCH)).transpose(1, 0, 2)
        pieces = source * (rows[:, :, None] & columns[:, None, :])
        return self._place(pieces, draws, spread=self.canvas / 2)

    def _draw(self, name: str, num: int, *names: str | int) -> NDArray[np.float64]:
        """Return (N, 7) uniform numbers in [0, 1) of a fixed stream."""
        return rng.stream(self.make_seed, "digits_hard", name, *names).random((num, 7))

    def _place(
        self, pixels: NDArray[np.uint8], draws: NDArray[np.float64], spread: float | None = None
    ) -> NDArray[np.int64]:
        """Return digits turned, scaled and shifted, (N, canvas, canvas), sampled bilinearly, in
        units of 1 / ONE.

        Args:
            pixels: (N, 8, 8).
            draws: (N, 4 or more) uniform numbers: angle, scale, and shift down and right.
            spread: greatest shift where it is not the digits' own.
        """
        angle = np.deg2rad(self.rotation) * (2 * draws[:, 0] - 1)
        scale = self.min_scale + (self.max_scale - self.min_scale) * draws[:, 1]
        shift = (self.shift if spread is None else spread) * (2 * draws[:, 2:4] - 1)
        cos, sin = (
            np.rint(f(angle) / scale * ONE).astype(np.int64)[:, None, None]
            for f in (np.cos, np.sin)
        )
        down, right = (np.rint(shift[:, k] * ONE).astype(np.int64)[:, None, None] for k in (0, 1))
        places = np.arange(self.canvas, dtype=np.int64)
        grid = places * ONE - (self.canvas - 1) * ONE // 2  # from the centre
        y, x = grid[:, None] - down, grid[None, :] - right
        centre = (SIDE - 1) * ONE // 2
        return _sample(
            pixels, (cos * y + sin * x) // ONE + centre, (cos * x - sin * y) // ONE + centre
        )


def _sample(
    pixels: NDArray[np.uint8], y: NDArray[np.int64], x: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return (N, 8, 8) pixels at positions (N, H, W), bilinear, in units of 1 / ONE; 0 outside."""
    padded = np.pad(pixels, ((0, 0), (1, 1), (1, 1))).astype(np.int64)
    y, x = (np.clip(v + ONE, 0, (SIDE + 1) * ONE - 1) for v in (y, x))
    top, left, below, beside = y // ONE, x // ONE, y % ONE, x % ONE
    image = np.arange(len(pixels))[:, None, None]
    upper = padded[image, top, left] * (ONE - beside) + padded[image, top, left + 1] * beside
    lower = (
        padded[image, top + 1, left] * (ONE - beside) + padded[image, top + 1, left + 1] * beside
    )
    return np.asarray((upper * (ONE - below) + lower * below) // ONE, dtype=np.int64)

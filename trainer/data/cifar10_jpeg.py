"""CIFAR-10 as a tree of JPEG files: a re-encoded copy, for work without the original."""

from dataclasses import dataclass
from pathlib import Path

from trainer.data import DATASETS, Source
from trainer.data._folder import check_cache_size, read_files
from trainer.data._listing import list_tree

FOLDER = "cifar10-jpeg"


@DATASETS.register("cifar10_jpeg")
@dataclass(frozen=True)
class Cifar10Jpeg:
    """Files `<root>/cifar10-jpeg/{train,test}/<class>/NNNN.jpg`.

    Not CIFAR-10's own pixels: compare methods on it with each other, never with published
    accuracies. Mean and deviation are computed from its training images.

    Attributes:
        cache_size: height and width in pixels at which images are stored after the first use.
    """

    cache_size: int = 32

    def __post_init__(self) -> None:
        check_cache_size(self.cache_size)

    def read(self, root: str) -> Source:
        """Return all images, class by class in the order of the files' numbers.

        Raises:
            DataError: if folders are missing or a file is broken; names it.
        """
        tree = list_tree(Path(root) / FOLDER, needed=("train", "test"))
        return read_files(
            Path(root),
            "cifar10_jpeg",
            tree.splits,
            classes=tree.classes,
            cache_size=self.cache_size,
        )

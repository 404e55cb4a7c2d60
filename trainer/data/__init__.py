"""Where images come from, and the batches that are made of them.

An author of a data set registers it in `DATASETS`; see `Dataset`, `Source` and `DataKeys`.
"""

from trainer.core.errors import ConfigError, DataError
from trainer.core.ranges import check_in
from trainer.core.units import Amount
from trainer.data._batches import Batches
from trainer.data._normalize import Normalize
from trainer.data._pictures import PictureFile, find_pictures, read_pictures
from trainer.data._splits import Split, split_source
from trainer.data._stats import fingerprint, mean_std
from trainer.data._steps import SMALLEST, Steps, check_batch_size
from trainer.data.base import DATASETS, Batch, DataKeys, Dataset, Images, Noise, Source

__all__ = ["DATASETS", "Batch", "DataKeys", "Dataset", "Images", "Noise", "Source"]
__all__ += ["Amount", "ConfigError", "DataError", "check_in", "fingerprint", "mean_std"]
__all__ += ["PictureFile", "find_pictures", "read_pictures"]
__all__ += ["SMALLEST", "Batches", "Normalize", "Split", "Steps", "check_batch_size"]
__all__ += ["split_source"]

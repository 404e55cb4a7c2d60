"""Networks by number formats: speed, memory, accuracy; the same as
`python -m trainer.study.precision_table`.

Usage: python -m scripts.precision_table [--models resnet50,...] [--precisions fp32,...]
       [--train-data mnist --root DIR] [--out precision_table]
"""

from trainer.study.precision_table.main import main

if __name__ == "__main__":
    main()

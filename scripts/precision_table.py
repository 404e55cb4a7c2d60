"""The same as `python -m trainer precision_table`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("precision_table")

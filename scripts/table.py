"""The same as `python -m trainer table`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("table")

"""The same as `python -m trainer comparison`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("comparison")

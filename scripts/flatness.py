"""The same as `python -m trainer flatness`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("flatness")

"""The same as `python -m trainer scaling`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("scaling")

"""The same as `python -m trainer slices`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("slices")

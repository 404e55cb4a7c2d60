"""The same as `python -m trainer reproduce`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("reproduce")

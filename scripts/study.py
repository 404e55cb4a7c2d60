"""The same as `python -m trainer study`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("study")

"""The same as `python -m trainer report`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("report")

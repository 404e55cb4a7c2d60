"""The same as `python -m trainer compare`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("compare")

"""The same as `python -m trainer demo`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("demo")

"""The same as `python -m trainer attribution`."""

from trainer.cli.main import main

if __name__ == "__main__":
    main("attribution")

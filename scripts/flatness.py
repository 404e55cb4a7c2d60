"""How flat solutions of runs are: pictures and numbers. See `trainer.study.flatness`."""

from __future__ import annotations

from trainer.study.flatness.study import main

if __name__ == "__main__":
    main()

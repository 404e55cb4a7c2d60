"""What tests of the playground share: when they run, and a trajectory."""

from __future__ import annotations

import pytest

from tests.browser import executable

MARKS = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="Chromium is not installed"),
]
TRAJECTORY = {
    "run": "outputs/trajectory/</script><script>window.hit=1</script>",
    "command": "python -m trainer average=swa",
    "steps": [5, 10, 15],
    "checkpoints": 300,
    "points": [[-1.0, 0.0], [1.0, 0.0], [0.0, 1.0]],
    "point_losses": [2.0, 1.0, 0.5],
    "average": [None, {"at": [0.0, 0.0], "loss": 0.9}, {"at": [0.0, 0.3], "loss": 0.4}],
    "average_name": "SWA",
    "variance": 0.9,
    "x": [-1.5, -0.5, 0.5, 1.5],
    "y": [-0.5, 0.5, 1.5],
    "losses": [[3.0, 2.0, 1.0, 2.0], [2.0, 1.0, 0.4, 1.0], [3.0, 2.0, 1.0, 2.0]],
    "of": "validation",
    "images": 144,
    "test": [["last weights", 0.7], ["SWA", 0.8]],
    "seconds": 3.2,
}

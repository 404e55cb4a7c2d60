"""The running mean, which all forms of stochastic weight averaging take."""


def equal_share(count: int) -> float:
    """Return the share of one more snapshot in the mean of `count` before it and itself.

    (w_swa * n + w) / (n + 1) = lerp(w_swa, w, 1 / (n + 1)).
    """
    return 1.0 / (count + 1)

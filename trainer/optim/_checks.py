"""Ranges of the numbers that optimizers take."""

from trainer.core.errors import ConfigError


def check_unit(key: str, value: float) -> None:
    """Raise ConfigError unless `value` is in [0, 1)."""
    if not 0.0 <= value < 1.0:
        raise ConfigError(f"{key} must be in [0, 1), got {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ConfigError unless both decays are in [0, 1)."""
    for i, beta in enumerate(betas):
        check_unit(f"optim.betas[{i}]", beta)


def check_positive(key: str, value: float) -> None:
    """Raise ConfigError unless `value` is above 0."""
    if value <= 0.0:
        raise ConfigError(f"{key} must be positive, got {value}")


def check_not_negative(key: str, value: float) -> None:
    """Raise ConfigError if `value` is below 0."""
    if value < 0.0:
        raise ConfigError(f"{key} must be 0 or more, got {value}")

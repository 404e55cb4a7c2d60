"""Brightness, contrast, saturation and hue of batches: each image by a factor of its own.

Images are floating point in [0, 255]; factors (B,) are 1, or 0 of hue, for no change. Definitions
are those of the Python Imaging Library: a blend with a degenerate image, which factors above 1
leave behind.
"""

import torch

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, of red, green and blue


def gray(images: torch.Tensor) -> torch.Tensor:
    """Return (B, 1, H, W) the luma of colour images, and images of one channel as they are."""
    if images.shape[1] == 1:
        return images
    red, green, blue = images.unbind(1)
    return (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue).unsqueeze(1)


def blend(degenerate: torch.Tensor, images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return degenerate + factor (images - degenerate), clamped to [0, 255]."""
    weight = factor.to(images.dtype).view(-1, 1, 1, 1)
    return torch.lerp(degenerate.expand_as(images), images, weight).clamp_(0, 255)


def brightness(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return images blended with black."""
    return (images * factor.to(images.dtype).view(-1, 1, 1, 1)).clamp_(0, 255)


def contrast(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return images blended with the mean of their luma."""
    return blend(gray(images).mean((1, 2, 3), keepdim=True), images, factor)


def saturation(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return images blended with their luma; of one channel, they are their own."""
    return blend(gray(images), images, factor)


def hue(images: torch.Tensor, shift: torch.Tensor) -> torch.Tensor:
    """Return colour images (B, 3, H, W) whose hue is turned by `shift` (B,) of the full circle.

    Value and saturation stay: in the hexagonal model each channel is the value less the chroma
    times a trapezoid of the hue, the same for all three but for a third of the circle.
    """
    red, green, blue = images.unbind(1)
    value, chroma = images.amax(1), images.amax(1) - images.amin(1)
    safe = chroma.clamp(min=1e-12)  # of grey pixels, whose hue moves nothing
    sixths = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, (blue - red) / safe + 2, (red - green) / safe + 4),
    )
    sixths = sixths + 6 * shift.to(images.dtype).view(-1, 1, 1)
    peaks = torch.tensor((5.0, 3.0, 1.0), dtype=images.dtype, device=images.device)
    place = (sixths.unsqueeze(1) + peaks.view(1, 3, 1, 1)).remainder(6)
    trapezoid = torch.minimum(place, 4 - place).clamp_(0, 1)
    return (value.unsqueeze(1) - chroma.unsqueeze(1) * trapezoid).clamp_(0, 255)

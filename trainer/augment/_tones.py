"""Operations on the tones of batches that are the same for every image: of RandAugment.

Images (B, C, H, W) are floating point and hold whole numbers from 0 to 255. Definitions are those
of the Python Imaging Library.
"""

import torch
import torch.nn.functional as F

from trainer.augment._color import blend

LEVELS = 256


def posterize(images: torch.Tensor, bits: int) -> torch.Tensor:
    """Return images of which only the upper `bits` of eight are left."""
    return images - images.remainder(1 << (8 - bits))


def solarize(images: torch.Tensor, threshold: float) -> torch.Tensor:
    """Return images whose pixels from `threshold` on are inverted."""
    return torch.where(images >= threshold, 255 - images, images)


def autocontrast(images: torch.Tensor) -> torch.Tensor:
    """Return images stretched to 0 to 255, each channel on its own; flat ones stay."""
    low, high = images.amin((2, 3), keepdim=True), images.amax((2, 3), keepdim=True)
    stretched = (images - low) / (high - low).clamp(min=1) * 255
    return torch.where(high > low, stretched, images)


def equalize(images: torch.Tensor) -> torch.Tensor:
    """Return images whose tones are used about equally often, each channel on its own.

    A tone k becomes the number of pixels below k in units of a 255th of all but the brightest
    tone's pixels, rounded as the library does it; channels of too few pixels or tones stay.
    """
    flat = images.flatten(2).long()  # (B, C, H W)
    counts = torch.zeros((*flat.shape[:2], LEVELS), dtype=torch.int64, device=images.device)
    counts.scatter_add_(2, flat, torch.ones_like(flat))
    brightest = counts.gather(2, flat.amax(2, keepdim=True))
    step = (flat.shape[2] - brightest) // 255
    below = counts.cumsum(2) - counts
    tones = ((below + step // 2) // step.clamp(min=1)).clamp_(max=255)
    equalized = tones.gather(2, flat).to(images.dtype).view_as(images)
    return torch.where((step > 0).unsqueeze(3), equalized, images)


def sharpness(images: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    """Return images blended with their smoothed selves by a factor (B,): 0 is smooth, above 1
    sharper than before. The outermost pixels, and images below 3 pixels a side, stay."""
    channels, height, width = images.shape[1:]
    if min(height, width) < 3:
        return images
    kernel = torch.ones((3, 3), dtype=images.dtype, device=images.device)
    kernel[1, 1] = 5
    weights = (kernel / 13).expand(channels, 1, 3, 3)
    smooth = images.clone()
    smooth[:, :, 1:-1, 1:-1] = F.conv2d(images, weights, groups=channels).round_()
    return blend(smooth, images, factor)

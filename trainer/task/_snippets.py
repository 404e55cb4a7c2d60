"""Programs of eight lines that use an exported network without this one."""

from __future__ import annotations

METADATA = "metadata.json"  # within the file of `torch.export`

SIZE = """\
image = PIL.ImageOps.exif_transpose(PIL.Image.open("picture.jpg")).convert("{mode}")
w, h = (max(round(side * ({side} / min(image.size))), {side}) for side in image.size)
box = ((w - {width}) // 2, (h - {height}) // 2, (w + {width}) // 2, (h + {height}) // 2)
image = image.resize((w, h), PIL.Image.Resampling.BILINEAR).crop(box)
"""

TORCH = """\
import json, numpy, torch, PIL.Image, PIL.ImageOps
network = torch.export.load({file!r}, extra_files=(facts := {{"metadata.json": ""}})).module()
{size}pixels = torch.tensor(numpy.array(image)).reshape(1, {height}, {width}, -1).movedim(3, 1)
print(json.loads(facts["metadata.json"])["classes"][network(pixels).argmax()])"""

ONNX = """\
import json, numpy, onnxruntime, PIL.Image, PIL.ImageOps
facts = (network := onnxruntime.InferenceSession({file!r})).get_modelmeta().custom_metadata_map
{size}pixels = numpy.asarray(image).reshape(1, {height}, {width}, -1).transpose(0, 3, 1, 2)
print(json.loads(facts["classes"])[network.run(None, {{"images": pixels}})[0].argmax()])"""


def snippet(name: str, file: str, image_shape: tuple[int, int, int]) -> str:
    """Return a program that names the class of a picture.

    Args:
        name: of the format, `torch` or `onnx`.
        file: that holds the network.
        image_shape: (C, H, W) that it takes.
    """
    channels, height, width = image_shape
    mode = "L" if channels == 1 else "RGB"
    sizes = {"height": height, "width": width, "side": max(height, width)}
    text = TORCH if name == "torch" else ONNX
    return text.format(file=file, size=SIZE.format(mode=mode, **sizes), **sizes)

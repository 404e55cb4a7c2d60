"""The vision transformer is torchvision's at equal sizes, and takes images that patches tile."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.models import VisionTransformer

from tests.command import Call
from trainer.core.errors import ConfigError
from trainer.model.vit import Attention, Block, Vit

SMALL = {"patch": 4, "width": 16, "depth": 2, "heads": 4, "mlp_ratio": 2}


def paired(theirs: nn.Module, ours: nn.Module) -> None:
    """Copy torchvision's weights into ours: the same tensors, in another order."""
    names = {
        "conv_proj.": "0.project.",
        "encoder.pos_embedding": "0.positions",
        "class_token": "0.class_token",
        **{f"encoder.layers.encoder_layer_{i}.": f"{i + 2}." for i in range(9)},
        "self_attention.in_proj_": "attend.1.qkv.",
        "self_attention.out_proj.": "attend.1.out.",
        "ln_1.": "attend.0.",
        "ln_2.": "mlp.0.",
        "mlp.3.": "mlp.4.",
        "heads.head.": f"{len(list(ours.children())) - 1}.",
        "encoder.ln.": f"{len(list(ours.children())) - 3}.",
    }
    found = {}
    for name, tensor in theirs.state_dict().items():
        ours_name = name.replace(".mlp.0.", ".mlp.1.")
        for before, after in names.items():
            ours_name = ours_name.replace(before, after)
        found[ours_name] = tensor
    ours.load_state_dict(found)


def test_it_is_torchvisions_at_equal_sizes() -> None:
    torch.manual_seed(0)
    theirs = VisionTransformer(12, 4, 2, 4, 16, 32, num_classes=7).double()
    for p in theirs.parameters():  # of the head, which begins at zero, and of every bias
        nn.init.normal_(p, std=0.3)
    ours = Vit(**SMALL).build((3, 12, 12), 7).double()
    paired(theirs, ours)
    images = torch.randn(5, 3, 12, 12, dtype=torch.float64)
    expected, logits = theirs(images), ours(images)
    torch.testing.assert_close(logits, expected, rtol=0.0, atol=1e-12)
    (expected**2).sum().backward()
    (logits**2).sum().backward()
    found, wanted = (
        model.get_parameter(name).grad
        for model, name in ((ours, "0.project.weight"), (theirs, "conv_proj.weight"))
    )
    torch.testing.assert_close(found, wanted, rtol=1e-9, atol=1e-9)


def test_dropout_stands_where_torchvision_has_it_and_leaves_out_its_share() -> None:
    theirs = VisionTransformer(12, 4, 2, 4, 16, 32, dropout=0.25, num_classes=7)
    ours = Vit(**SMALL, dropout=0.25).build((3, 12, 12), 7)
    counts = [[m.p for m in one.modules() if isinstance(m, nn.Dropout)] for one in (ours, theirs)]
    assert counts == [[0.25] * 7] * 2
    tokens = ours[1](torch.ones(100, 10, 16))
    assert float((tokens == 0).float().mean()) == pytest.approx(0.25, abs=0.02)


def test_initial_weights_are_spread_as_torchvisions() -> None:
    torch.manual_seed(0)
    theirs = VisionTransformer(32, 4, 2, 4, 64, 128, num_classes=10)
    torch.manual_seed(1)
    ours = Vit(width=64, depth=2).build((3, 32, 32), 10)
    again = Vit(width=64, depth=2).build((3, 32, 32), 10)
    fresh = {k: v.clone() for k, v in ours.state_dict().items()}
    paired(theirs, again)
    for name, tensor in again.state_dict().items():
        assert float(tensor.std()) == pytest.approx(float(fresh[name].std()), rel=0.1, abs=1e-5)


def test_attention_of_one_head_by_hand() -> None:
    attention = Attention(1, 1)
    with torch.no_grad():
        attention.qkv.weight.copy_(torch.tensor([[1.0], [2.0], [3.0]]))
        attention.out.weight.fill_(1.0)
    seen = attention(torch.tensor([[[0.0], [1.0]]]))
    # the token 0 looks at both alike; 1 weighs exp(2 * 1 * 1) for itself against exp(0)
    weight = 1.0 / (1.0 + torch.exp(torch.tensor(-2.0)))
    assert seen.flatten().tolist() == pytest.approx([1.5, 3.0 * float(weight)])


def test_a_block_without_its_layers_hands_on_its_tokens() -> None:
    block = Block(8, 2, 16, 0.0)
    for p in block.parameters():
        nn.init.zeros_(p)
    tokens = torch.randn(2, 3, 8)
    assert torch.equal(block(tokens), tokens)


def test_the_mean_does_not_know_the_order_of_patches_but_for_their_positions() -> None:
    torch.manual_seed(0)
    model = Vit(**SMALL, pool="mean").build((1, 8, 8), 3)
    assert not [name for name, _ in model.named_parameters() if "class_token" in name]
    nn.init.normal_(model[-1].weight)
    images = torch.randn(2, 1, 8, 8)
    swapped = images.flip(2).unfold(2, 4, 4).flip(-1).permute(0, 1, 2, 4, 3).reshape(2, 1, 8, 8)
    assert not torch.allclose(model(images), model(swapped), atol=1e-4)
    nn.init.zeros_(model[0].positions)
    assert torch.allclose(model(images), model(swapped), atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 4), columns=st.integers(1, 4), patch=st.integers(1, 5))
def test_any_shape_that_patches_tile(rows: int, columns: int, patch: int) -> None:
    vit = Vit(patch=patch, width=8, depth=1, heads=2, mlp_ratio=1)
    model = vit.build((2, rows * patch, columns * patch), 5)
    assert model[0].positions.shape == (1, rows * columns + 1, 8)
    assert model(torch.randn(3, 2, rows * patch, columns * patch)).shape == (3, 5)


@pytest.mark.slow
def test_patches_that_do_not_tile_the_images_are_refused_in_a_line(call: Call) -> None:
    with pytest.raises(ConfigError, match=r"model.patch=5 must divide images of 28x28; .*7, 14"):
        Vit(patch=5).build((1, 28, 28), 10)
    outcome = call("model=vit", "model.patch=3", "data=synthetic", "max_steps=1")
    assert outcome.code == 2
    assert outcome.err.count("\n") == 1
    assert "model.patch=3 must divide" in outcome.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"patch": 0}, "model.patch"),
        ({"heads": 3}, "model.heads=3 must divide model.width=64"),
        ({"dropout": 1.0}, "model.dropout"),
    ],
)
def test_settings_that_cannot_be_are_refused(words: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Vit(**words)  # type: ignore[arg-type]

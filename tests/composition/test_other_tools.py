"""What users of other tools write is answered by a line that composes."""

import re

import pytest

from trainer.composition import other_tools
from trainer.composition.compose import Composer
from trainer.composition.other_tools import CHOICES, KEYS, REMARKS, line_for_choice, line_for_key
from trainer.composition.search_path import Sources
from trainer.core.errors import ConfigError

# A value that each line takes, where the key's own type is not a number.
TYPED = {
    "data={}": "mnist",
    "model={}": "resnet9",
    "optim={}": "adam",
    "scheduler={}": "cosine",
    "loss={}": "cross_entropy",
    "augment={}": "standard",
    "precision={}": "fp64",
    "init={}": "dirac",
    "device={}": "cpu",
}
COMPOSER = Composer(Sources())
LATER = ("resume=RUN", "repeat=RUN")  # are read before anything composes


def composes(line: str) -> None:
    """Compose what a line says, torchrun's own words left out."""
    words = line.split("-m trainer")[-1].split()
    if any(word.startswith("optim.betas") for word in words):
        words = ["optim=adam", *words]
    if any(word.startswith("strategy.") for word in words):
        words = ["strategy=ddp", *words]
    COMPOSER.compose([w for w in words if w not in LATER])


@pytest.mark.parametrize("line", KEYS)
def test_every_word_for_a_key_is_answered_by_a_line_that_composes(line: str) -> None:
    value = TYPED.get(line, "3")
    for word in KEYS[line].split():
        with pytest.raises(ConfigError) as refused:
            COMPOSER.compose([f"{word}={value}"])
        written = line.replace("{}", value)
        assert str(refused.value).endswith(f"; here: {written}"), word
        assert line_for_key(word.upper(), value) == written
    composes(written)


@pytest.mark.parametrize(("group", "line"), [(g, line) for g in CHOICES for line in CHOICES[g]])
def test_every_word_for_a_choice_is_answered_by_a_line_that_composes(group: str, line: str) -> None:
    for word in CHOICES[group][line].split():
        with pytest.raises(ConfigError) as refused:
            COMPOSER.compose([f"{group}={word}"])
        assert f"; write {line}; known: " in str(refused.value), word
    composes(line)


@pytest.mark.parametrize("remark", REMARKS)
def test_what_has_no_line_is_answered_by_a_sentence(remark: str) -> None:
    for word in REMARKS[remark].split():
        with pytest.raises(ConfigError, match=re.escape(f"; here: {remark}")):
            COMPOSER.compose([f"{word}=1"])


def test_no_word_is_answered_in_two_ways() -> None:
    for table in ({**KEYS, **REMARKS}, *CHOICES.values()):
        words = [other_tools.plain(w) for line in table.values() for w in line.split()]
        assert sorted(words) == sorted(set(words))


def test_no_word_of_ours_is_taken_for_another_tool_s() -> None:
    for group, table in other_tools.NAMES.items():
        ours = {other_tools.plain(name) for name in COMPOSER.sources.options(group)}
        assert not ours & set(table), group


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("optim=SGD", "did you mean 'sgd'?"),
        ("data=CIFAR10", "did you mean 'cifar10'?"),
        ("data=CIFAR-10", "did you mean 'cifar10'?"),
        ("optim.LR=0.1", "did you mean 'optim.lr'?"),
        ("OPTIM.LR=0.1", "did you mean 'optim.lr'?"),
        ("Epochs=3", "did you mean 'epochs'?"),
        ("model.name=resnet9", "choose a part by model=resnet9"),
        ("model=resnet18", "write model=torchvision model.arch=resnet18"),
        ("model=efficientnet_b0", "write model=torchvision model.arch=efficientnet_b0"),
    ],
)
def test_case_and_near_misses_find_the_name(word: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)):
        COMPOSER.compose([word])


def test_a_switch_without_a_value_shows_where_the_value_goes() -> None:
    assert line_for_key("gpus", "true") == "torchrun --standalone --nproc-per-node 2 -m trainer"
    assert line_for_key("pretrained", "true") == "init_from=..."
    assert line_for_choice("model", "vit_b_16") == "model=torchvision model.arch=vit_b_16"


@pytest.mark.parametrize("group", CHOICES)
def test_a_key_and_a_choice_of_other_tools_are_answered_by_one_line(group: str) -> None:
    """Following what is said of `sched=cos` must not lead to what is said of `scheduler=cos`."""
    line = f"{group}={{}}"
    for word in KEYS.get(line, "").split()[:2]:
        for meant, names in CHOICES[group].items():
            for name in names.split():
                if name not in ("true", "false", "null", "none"):  # a switch, not a name
                    assert line_for_key(word, name) == meant, (word, name)


@pytest.mark.parametrize(
    ("word", "answer"),
    [
        ("sched=cos", "here: scheduler=cosine"),
        ("aug=randaugment", "here: augment=rand_augment"),
        ("model_name=ResNet18", "here: model=torchvision model.arch=resnet18"),
        ("arch=Res-Net9", "here: model=resnet9"),
        ("opt=AdamW", "here: optim=adamw"),
        ("dtype=16-mixed", "here: precision=fp16"),
        ("norm=none", "model.norm belongs to model=mlp or model=vgg16"),
        ("dropout=0.1", "model.dropout belongs to model="),
        ("decay=0.99", "average.decay belongs to average=ema"),
        ("Hidden=[8]", "model.hidden belongs to model=mlp"),
    ],
)
def test_what_is_said_need_not_be_corrected_again(word: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(answer)) as refused:
        COMPOSER.compose([word])
    (line,) = re.findall(r"here: (.*)$", str(refused.value)) or [""]
    composes(line) if line else None

"""The page in a browser: scenes, addresses, keyboard, touch, screen readers, colours."""

from __future__ import annotations

import dataclasses
import itertools
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.browser import Browser
from tests.playground.trajectories import MARKS, TRAJECTORY
from trainer.composition.compose import compose_overrides
from trainer.config.run_config import parse
from trainer.playground.join import page_of, text_of

MOST_BYTES = 300_000
LEAST_CONTRAST = 4.5
SCENES = ("diverge", "ravine", "saddle", "bias", "average", "sharp")
OPTIMIZERS = ("sgd", "momentum", "nesterov", "rmsprop", "adam", "raw", "adamw", "lion", "muon")
SCHEDULES = (
    "constant",
    "step",
    "exponential",
    "cosine",
    "cosine_restarts",
    "cyclic",
    "onecycle",
    "swa",
)
in_browser = [pytest.mark.slow, MARKS[1]]


def with_marks(test: Any) -> Any:
    for mark in in_browser:
        test = mark(test)
    return test


def end(page: Browser) -> None:
    page.ask("(b => { b.value = 1e9; b.oninput(); })(document.getElementById('time'))")


def text(page: Browser, name: str) -> str:
    return str(page.ask(f"document.getElementById('{name}').textContent"))


def colours(css: str) -> list[dict[str, str]]:
    """Return the page's colours by name, those of a light and those of a dark system."""
    roots = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    light, dark = (dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", root)) for root in roots)
    return [light, {**light, **dark}]


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, two: str) -> float:
    """Return the contrast of two colours as WCAG 2 has it."""
    low, high = sorted((luminance(one), luminance(two)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_by_hand() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)


def test_every_text_has_a_contrast_of_4_5_on_what_it_stands_on_light_and_dark() -> None:
    css = text_of("page.css")
    light, dark = colours(css)
    assert set(light) == set(dark)
    assert all(light[name] != dark[name] for name in light)
    texts = {
        "ink",
        "soft",
        "good",
        "bad",
        "trajectory",
        *OPTIMIZERS,
    }  # the page's and the canvases'
    used = set(re.findall(r"(?<![-\w])color: var\(--([\w-]+)\)", css)) - {"on-accent", "color"}
    assert used <= texts
    for found in (light, dark):
        assert contrast(found["on-accent"], found["accent"]) >= LEAST_CONTRAST
        for name, ground in itertools.product(sorted(texts), ("paper", "card")):
            assert contrast(found[name], found[ground]) >= LEAST_CONTRAST, (name, ground)
        assert contrast(found["control"], found["paper"]) >= 3.0  # the frames of buttons


def test_the_page_is_one_small_file_that_names_no_other() -> None:
    for page in (page_of(), page_of([TRAJECTORY] * 3)):
        assert len(page.encode()) <= MOST_BYTES
        assert not re.search(r"https?:|<link|@import|url\(|\bfetch\(|XMLHttp", page)
        assert page.count("<script") == 2
        assert "{{" not in page


@with_marks
def test_nothing_is_said_on_the_console_and_nothing_asked_of_a_network(opened: Browser) -> None:
    for width, scheme in itertools.product((1280, 390), ("light", "dark")):
        opened.look(width, 900, scheme)
        for scene in (*SCENES, "free"):
            opened.ask(f"location.hash = 'scene={scene}'")
            opened.until(f"playground.state.scene === '{scene.replace('free', '')}'")
            end(opened)
            wide = opened.ask("document.documentElement.scrollWidth")
            assert wide <= width, (scene, width)
    assert opened.complaints() == []


@with_marks
@pytest.mark.parametrize("scene", SCENES)
def test_a_scene_s_link_restores_it_and_its_answer_is_what_happens(
    browser: Browser,
    plain_page: Path,
    scene: str,
) -> None:
    browser.look()
    browser.open(plain_page, f"#scene={scene}")
    found = browser.ask(
        "(({question, options, right}) => ({question, options, right}))"
        f"(playground.SCENES.{scene})"
    )
    assert text(browser, "question") == found["question"]
    assert browser.ask("document.getElementById('answer').hidden")
    guess = f"document.getElementById('options').children[{found['right']}]"
    browser.ask(f"{guess}.click()")
    end(browser)
    right = found["options"][found["right"]]
    assert text(browser, "answer").startswith(f"You were right: {right}. ")
    assert right in text(browser, "live")
    assert browser.ask(f"{guess}.className") == "right"
    assert browser.ask("playground.toHash(playground.state)") == f"#scene={scene}"


@with_marks
def test_a_wrong_guess_is_told_so_and_a_changed_scene_tells_what_happened_then(
    opened: Browser,
) -> None:
    opened.ask("document.getElementById('options').children[0].click()")
    end(opened)
    assert text(opened, "answer").startswith("Not as you guessed: SGD and Nesterov. ")
    opened.ask("location.hash = 'scene=diverge&lr=sgd:0.01,nesterov:0.01'")
    opened.until("playground.state.lr.sgd === 0.01")
    end(opened)
    assert text(opened, "answer").startswith("none of them. ")


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high).map(lambda x: float(f"{x:.4g}"))


STATES = st.fixed_dictionaries(
    {
        "scene": st.sampled_from(["", *SCENES]),
        "surface": st.sampled_from(
            ["ravine", "scaled", "saddle", "minima", "plateau", "rosenbrock"]
        ),
        "at": st.tuples(numbers(-2, 2), numbers(-0.7, 1.7)).map(list),
        "shown": st.sets(st.sampled_from(OPTIMIZERS), min_size=1),
        "rates": st.dictionaries(st.sampled_from(OPTIMIZERS), numbers(1e-4, 10)),
        "schedule": st.sampled_from(SCHEDULES),
        "average": st.sampled_from(["none", "swa", "ema", "both"]),
        "warmup": st.integers(0, 30),
        "steps": st.integers(20, 500),
        "seed": st.integers(0, 999),
        "noise": numbers(0, 2),
        "decay": numbers(0, 0.999),
        "wd": numbers(0, 1),
    }
)


@with_marks
@settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(STATES)
def test_every_state_is_restored_from_its_address(opened: Browser, drawn: dict) -> None:
    shown, rates = sorted(drawn.pop("shown"), key=OPTIMIZERS.index), drawn.pop("rates")
    whole = {**drawn, "show": shown, "focus": shown[-1]}
    script = """(({state, rates}) => {
      const whole = { ...playground.begun(state.scene), ...state };
      whole.lr = { ...whole.lr, ...rates };
      const hash = playground.toHash(whole);
      return [whole, playground.fromHash(hash), hash, playground.toHash(playground.fromHash(hash))];
    })"""
    told, restored, hash_, again = opened.ask(
        f"{script}({json.dumps({'state': whole, 'rates': rates})})"
    )
    assert restored == told, hash_
    assert again == hash_


@with_marks
def test_an_address_of_nonsense_is_taken_as_far_as_it_makes_sense(opened: Browser) -> None:
    nonsense = (
        "#scene=toString&surface=__proto__&at=1,x&show=,&lr=sgd:-1,adam:1e9&steps=1e9&mu=&seed=1.4"
    )
    state = opened.ask(f"playground.fromHash('{nonsense}')")
    begun = opened.ask("playground.begun('')")
    assert state == {**begun, "steps": 500, "seed": 1, "lr": {**begun["lr"], "adam": 10}}


@with_marks
def test_every_command_composes_and_sets_what_the_page_shows(opened: Browser) -> None:
    hashes = [f"#scene={scene}" for scene in SCENES]
    hashes += [f"#scene=free&wd=0.1&mu=0.8&beta2=0.99&show={','.join(OPTIMIZERS)}"]
    schedules = opened.ask("Object.keys(playground.SCHEDULES)")
    hashes += [
        f"#scene=free&show=adam&schedule={schedule}&average=both&from=40&every=3&steps=500&warmup=10"
        for schedule in schedules
    ]
    lines: list[str] = []
    for hash_ in hashes:
        found = opened.ask(f"playground.commands(playground.fromHash('{hash_}'))")
        assert found, hash_
        lines += found
    assert len(set(lines)) == len(lines) >= 2 * len(schedules) + 14
    for line in lines:
        words = shlex.split(line)
        assert words[:3] == ["python", "-m", "trainer"]
        config = parse(compose_overrides(words[3:]).values())
        told = dict(word.split("=", 1) for word in words[3:])
        assert config.optim.shared.lr == float(told["optim.lr"])
        assert config.max_steps == int(told["max_steps"])
        assert config.scheduler.name == told["scheduler"]
        if config.optim.name == "sgd":
            component: Any = config.optim.component
            wanted = (told["optim.momentum"], told.get("optim.nesterov", "null"))
            assert (str(component.momentum).removesuffix(".0"), wanted[1]) == (
                wanted[0],
                {None: "null", True: "true", False: "false"}[component.nesterov],
            )
        assert dataclasses.is_dataclass(config)


@with_marks
def test_keys_move_the_start_and_play(opened: Browser) -> None:
    press = (
        "document.getElementById('map').dispatchEvent(new KeyboardEvent('keydown', {key: '%s'}))"
    )
    before = opened.ask("playground.state.at")
    opened.ask(press % "ArrowRight")
    opened.ask(press % "ArrowUp")
    after = opened.ask("playground.state.at")
    assert after[0] > before[0]
    assert after[1] > before[1]
    assert "at=" in opened.ask("location.hash")
    assert text(opened, "live").startswith("start at (")
    opened.ask(press % " ")
    opened.until("Number(document.getElementById('time').value) > 0")
    assert text(opened, "play") == "Pause"
    opened.ask(press % " ")
    assert text(opened, "play") == "Play"


@with_marks
def test_who_wants_no_motion_sees_the_whole_path_at_once(opened: Browser) -> None:
    calm = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    opened.send("Emulation.setEmulatedMedia", features=calm)
    opened.ask("document.getElementById('play').click()")
    assert text(opened, "clock") == "step 120 / 120"
    assert "SGD and Nesterov" in text(opened, "live")


@with_marks
def test_a_tap_sets_the_start(opened: Browser) -> None:
    opened.look(390, 844)
    box = opened.ask(
        "(b => [b.left, b.top, b.width, b.height])"
        "(document.getElementById('map').getBoundingClientRect())"
    )
    place = {"x": box[0] + 0.75 * box[2], "y": box[1] + 0.25 * box[3]}
    opened.send("Emulation.setTouchEmulationEnabled", enabled=True)
    for kind, points in (("touchStart", [place]), ("touchEnd", [])):
        opened.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)
    opened.send("Emulation.setTouchEmulationEnabled", enabled=False)
    opened.until("playground.state.at[0] > 1")
    assert opened.ask("playground.state.at") == pytest.approx([1.2, 0.9], abs=0.05)


@with_marks
def test_whatever_can_be_used_has_a_name_for_screen_readers(opened: Browser) -> None:
    roles = {"button", "slider", "checkbox", "combobox", "spinbutton", "image", "img"}
    opened.ask("location.hash = 'scene=free&average=both'")
    opened.until("playground.state.average === 'both'")
    nodes = opened.send("Accessibility.getFullAXTree")["nodes"]
    found = [n for n in nodes if not n["ignored"] and n["role"]["value"] in roles]
    assert len(found) > 40
    assert [n for n in found if not n.get("name", {}).get("value")] == []
    kinds = {n["role"]["value"] for n in nodes if not n["ignored"]}
    assert {"status", "heading", "navigation", "main", "MathMLMath"} <= kinds


@with_marks
def test_a_trajectory_is_replayed_and_its_texts_stay_texts(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "replay.html"
    file.write_text(page_of([TRAJECTORY, TRAJECTORY]), encoding="utf-8")
    browser.look()
    browser.open(file)
    assert TRAJECTORY["run"] in text(browser, "facts")
    assert text(browser, "clock") == "step 5 / 15"
    end(browser)
    assert text(browser, "clock") == "step 15 / 15"
    assert "SWA 0.4" in text(browser, "facts")
    assert "3 of 300 checkpoints" in text(browser, "facts")
    assert browser.ask("window.hit") is None
    browser.ask(
        "[...document.querySelectorAll('#scenes button')]"
        ".find(b => b.textContent === 'run 2').click()"
    )
    assert browser.ask("location.hash") == "#replay=2"
    browser.ask("location.hash = 'scene=saddle'")
    browser.until("document.getElementById('facts').hidden")
    assert browser.complaints() == []

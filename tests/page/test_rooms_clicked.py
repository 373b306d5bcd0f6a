"""Rooms from a fresh start to their main act, in headless Chromium: Play, Glimpses, Variance."""

import contextlib
import json
import re

import pytest
from looker import make_looker
from pages import axe, looking, serving

PATIENCE = 60_000  # milliseconds: a slow machine that compiles
LOOKS = [("light", 1400), ("dark", 400)]


@contextlib.contextmanager
def shown(browser, page, room, theme="light", width=1400):
    """A window in a room; at the end it is as wide as the screen, and accessible."""
    size = {"width": width, "height": 900}
    with looking(browser, page, viewport=size, color_scheme=theme) as window:
        window.set_default_timeout(PATIENCE)
        window.goto(f"{page.address}/#/{room}")
        yield window
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        assert axe(window) == []


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page of one run, an untrained agent that takes glimpses."""
    home = tmp_path_factory.mktemp("runs")
    make_looker(home)
    with serving(home) as found:
        yield found


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_connect_four_to_its_end_and_the_search_step_by_step(browser, page, theme, width):
    with shown(browser, page, "play?game=connect-four", theme, width) as window:
        window.get_by_label("Opponent").select_option("mcts")
        window.get_by_label("Simulations").select_option("50")
        window.get_by_text(re.compile("Red to move: you")).wait_for()
        for move in range(21):  # by keyboard alone: the leftmost column that is not full
            ended = window.locator(".ending")
            allowed = window.locator("#play-legal option").first.get_attribute("value")
            window.get_by_label("Move by name").fill(allowed)
            window.keyboard.press("Enter")
            window.wait_for_function(
                "n => document.querySelector('.ending') || document.querySelectorAll('.moves .move').length >= n",
                arg=2 * move + 2,
            )
            if ended.count():
                break
        assert re.search("wins with four in a row|a draw", window.locator(".ending").inner_text())
        for _ in range(2):  # the last move was a person's or the other player's, who searched before it
            window.get_by_role("button", name="One move back", exact=True).click()
            window.wait_for_timeout(1000)
            if window.get_by_role("button", name="First simulation").is_visible():
                break
        window.get_by_role("button", name="First simulation").click()
        assert window.locator(".counter").inner_text() == "0 of 50"
        window.get_by_role("button", name="One simulation on").click()
        window.get_by_role("button", name="One simulation on").click()
        assert window.locator(".counter").inner_text() == "2 of 50"
        assert "Simulation 2:" in window.locator(".stepper-card [role=status]").inner_text()
        window.get_by_role("button", name="Last simulation").click()
        counts = window.locator(".stepper-card tbody tr td:nth-child(2)").all_inner_texts()
        assert sum(map(int, counts)) == 50
        window.locator(".tree .node").nth(1).click(force=True)
        window.get_by_text("A position of the search").wait_for()


def test_undo_hint_and_a_record(browser, page):
    with shown(browser, page, "play?game=tic-tac-toe") as window:
        window.get_by_label("Opponent").select_option("mcts")
        window.get_by_label("Simulations").select_option("50")
        window.get_by_text("X to move: you").wait_for()
        window.locator(".board .target").nth(4).click()
        window.wait_for_function("() => document.querySelectorAll('.moves .move').length === 2")
        window.get_by_role("button", name="Hint").click()
        window.get_by_text(re.compile("^Hint: ")).wait_for()
        assert window.locator(".board .best").count() > 0
        with window.expect_download() as saved:
            window.get_by_role("button", name="Save record").click()
        record = saved.value.path().read_text()
        assert json.loads(record)["moves"][0] == "b2"
        window.get_by_role("button", name="Undo").click()
        window.wait_for_function("() => document.querySelectorAll('.moves .move').length === 0")
        window.get_by_label("Record of a game").set_input_files(
            [{"name": "game.jsonl", "mimeType": "text/plain", "buffer": record.encode()}]
        )
        window.wait_for_function("() => document.querySelectorAll('.moves .move').length === 2")
        window.get_by_role("button", name="Evaluate the game").click()
        window.get_by_text("Every position has been evaluated").wait_for()
        assert window.locator(".graph .point").count() >= 2


@pytest.mark.parametrize("game", ["chess", "animal-shogi", "hex-11x11", "go-9x9", "othello"])
def test_every_kind_of_board_is_drawn_and_played_on(browser, page, game):
    with shown(browser, page, f"play?game={game}") as window:
        window.get_by_label("You play").select_option("both")
        window.get_by_label("Opponent").select_option("random")
        window.get_by_text(re.compile("to move")).first.wait_for()
        first = window.locator("#play-legal option").first.get_attribute("value")
        window.get_by_label("Move by name").fill(first)
        window.keyboard.press("Enter")
        window.wait_for_function("() => document.querySelectorAll('.moves .move').length === 1")


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_a_digit_is_drawn_and_looked_at(browser, page, theme, width):
    with shown(browser, page, "glimpses", theme, width) as window:
        window.get_by_text("28 × 28 pixels").wait_for()
        pad = window.locator("canvas.pad")
        pad.scroll_into_view_if_needed()
        box = pad.bounding_box()
        window.mouse.move(box["x"] + box["width"] / 2, box["y"] + 40)
        window.mouse.down()
        window.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 40, steps=8)
        window.mouse.up()
        window.get_by_text(re.compile("It says .; at random places")).wait_for()
        window.wait_for_function(
            "() => document.querySelector('.room-glimpses .counter').textContent === 'glimpse 3 of 3'"
        )
        assert window.locator(".panel .class.most").count() == 2
        window.get_by_role("button", name="Clutter").click()
        pad.click(position={"x": 40, "y": 40})
        window.get_by_role("button", name="A test image").click()
        window.get_by_text(re.compile("^Test image 1, a ")).wait_for()
        window.get_by_role("button", name="First glimpse").click()
        assert window.locator(".room-glimpses .counter").inner_text() == "glimpse 1 of 3"


@pytest.mark.parametrize(("theme", "width"), LOOKS)
def test_the_cloud_changes_with_the_rung_and_a_step_is_taken(browser, page, theme, width):
    with shown(browser, page, "variance", theme, width) as window:
        window.locator(".cloud .dot").first.wait_for()
        window.get_by_label("Weight Ψ").select_option("value")
        before = window.locator(".cloud .own").get_attribute("rx"), window.locator(".told").inner_text()
        window.get_by_label("Weight Ψ").select_option("total-reward")
        after = window.locator(".cloud .own").get_attribute("rx"), window.locator(".told").inner_text()
        assert float(after[0]) > float(before[0])
        assert after[1].startswith("whole reward")
        window.wait_for_function("() => !document.querySelector('.step-grid .primary').disabled")
        window.get_by_role("button", name="Take the step").click()
        window.get_by_text("1 steps taken").wait_for()

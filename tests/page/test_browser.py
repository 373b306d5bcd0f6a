"""The page in headless Chromium, by tests that click: every error in its console and every foreign request fails."""

import re
import shutil
import time
from pathlib import Path

import pytest
from pages import TOKEN, add_row, axe, looking, make_run, serving
from small import ROOT, SETTINGS

import logpi
from logpi.page.server import room_names

PATIENCE = 60_000  # milliseconds: a slow machine that compiles
OURS = ("runs", "gallery", "watch")


@pytest.fixture(autouse=True)
def commands(monkeypatch):
    """Commands that the page starts compile quickly too."""
    for name, value in {**SETTINGS, "PYTHONPATH": str(ROOT)}.items():
        monkeypatch.setenv(name, value)


def text(window, selector):
    return window.locator(selector).inner_text(timeout=PATIENCE)


def wait(condition, seconds=60):
    give_up = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < give_up
        time.sleep(0.1)


def until(window, expression):
    """Wait until ``expression`` holds; the page's policy forbids what Playwright itself would do for it."""
    wait(lambda: window.evaluate(f"Boolean({expression})"))


def test_train_a_run_and_see_its_curve_move(served, window):
    window.goto(f"{served.address}/#/runs")
    window.get_by_text("No run yet: train an agent").wait_for()
    window.get_by_role("button", name="Train an agent").click()
    window.get_by_label("Environment, image task or game").fill("CartPole-v1")
    window.get_by_label("Steps", exact=True).fill("6000")
    window.get_by_label("Other settings").fill(
        "n_envs=4 n_steps=16 batch_size=32 hidden=8 final_episodes=4 video=false tensorboard=false"
    )
    window.get_by_role("button", name="Train", exact=True).click()
    row = window.get_by_role("row").filter(has_text="CartPole-v1_1")
    row.wait_for(timeout=PATIENCE)
    until(window, "document.querySelector('.chart')?.ariaLabel?.match(/ppo: \\d/)")
    row.get_by_text("finished").wait_for(timeout=PATIENCE)
    window.get_by_text("Where the time goes").wait_for(timeout=PATIENCE)
    assert "environment + policy" in text(window, ".shares + .legend")
    assert "final" in row.inner_text()
    window.get_by_text("done").first.wait_for(timeout=PATIENCE)


@pytest.fixture
def nothing_left(served):
    """Commands that a failed test has left running are ended."""
    yield
    for number in (1, 2):
        served.ask("POST", "/api/runs/interrupt", {"number": number}, {"X-Logpi-Token": TOKEN})


def test_stop_a_run_and_resume_it(served, window, nothing_left):
    settings = {"n_envs": 4, "n_steps": 16, "batch_size": 32, "hidden": 8, "video": False, "tensorboard": False}
    asked = {"env": "CartPole-v1", "algo": "ppo", "total_timesteps": 50_000_000, "settings": settings}
    served.post("/api/runs/start", {**asked, "settings": {**settings, "eval_points": 0}})
    window.goto(served.address)
    row = window.get_by_role("row").filter(has_text="CartPole-v1_1")
    row.get_by_text("running").wait_for(timeout=PATIENCE)
    row.get_by_text(" left").wait_for(timeout=PATIENCE)
    detail = window.get_by_role("region", name="Run", exact=True)
    detail.get_by_role("button", name="Save and stop").click(timeout=PATIENCE)
    row.get_by_text("interrupted").wait_for(timeout=PATIENCE)
    window.get_by_text("ended with exit code 130").wait_for(timeout=PATIENCE)
    detail.get_by_role("button", name="Resume").click(timeout=PATIENCE)
    window.get_by_role("button", name="Go on").click()
    row.get_by_text("running").wait_for(timeout=PATIENCE)
    window.get_by_role("button", name="Stop logpi resume, command 2").click(timeout=PATIENCE)
    row.get_by_text("interrupted").wait_for(timeout=PATIENCE)


def test_a_curve_grows_while_one_looks(tmp_path, served, window):
    folder = make_run(tmp_path / "runs", rows=10, final=False)
    window.goto(served.address)
    until(window, "document.querySelector('.chart')?.ariaLabel?.includes('189')")
    for row in range(10, 16):
        add_row(folder, row)
    until(window, "document.querySelector('.chart')?.ariaLabel?.includes('294')")
    window.get_by_role("button", name="Seconds").click()
    until(window, "document.querySelector('.chart')?.ariaLabel?.includes('seconds')")
    window.get_by_label("Metric").select_option("train/loss")
    until(window, "document.querySelector('.chart')?.ariaLabel?.startsWith('train/loss')")
    shutil.rmtree(folder)
    window.get_by_text("The run folder ppo/CartPole-v1_1 is gone.").wait_for(timeout=PATIENCE)
    window.get_by_text("No run yet.", exact=True).wait_for()


def test_compare_two_runs(tmp_path, served, window):
    make_run(tmp_path / "runs")
    make_run(tmp_path / "runs", "ppo/CartPole-v1_2", rate=0.01, started="2026-11-28T22:00:00+00:00")
    window.goto(served.address)
    window.get_by_label("Draw the curve of ppo/CartPole-v1_1").check()
    window.get_by_text("1 setting differs").wait_for(timeout=PATIENCE)
    assert "0.01" in text(window, "details table")
    window.get_by_role("button", name="Compare the marked runs").click()
    with window.context.expect_page(timeout=PATIENCE) as opened:
        window.get_by_role("link", name="Open its page").click(timeout=PATIENCE)
    page = opened.value
    page.get_by_text("n is the number of seeds").wait_for(timeout=PATIENCE)
    assert "CartPole-v1" in page.title()


def test_names_of_a_stranger_are_text(tmp_path, served, window):
    script = "<img src=x onerror=\"document.title='executed'\">"
    make_run(tmp_path / "runs", env=script, score={"label": script})
    window.goto(served.address)
    window.get_by_role("button", name=script).wait_for(timeout=PATIENCE)
    until(window, "document.querySelector('.chart')?.ariaLabel")
    assert window.locator("img").count() == 0
    assert window.title() == "Runs · logpi"


def test_a_page_whose_server_ended_says_so_and_comes_back(tmp_path, browser):
    make_run(tmp_path / "runs")
    with serving(tmp_path / "runs") as first, looking(browser, first) as window:
        window.goto(first.address)
        window.get_by_role("row").filter(has_text="CartPole-v1_1").wait_for(timeout=PATIENCE)
        window.context.set_offline(True)
        window.evaluate("window.dispatchEvent(new Event('offline'))")
        window.context.set_offline(False)
        make_run(tmp_path / "runs", "ppo/CartPole-v1_2")
        window.get_by_role("row").filter(has_text="CartPole-v1_2").wait_for(timeout=PATIENCE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with one small run of CartPole, its agents and checkpoints."""
    from small import Watcher, experiment

    from logpi.training import session

    home = tmp_path_factory.mktemp("trained") / "runs"
    session.start(experiment("CartPole-v1", "ppo", home, total_timesteps=2000), ["test"], Watcher())
    return home


def test_a_click_on_the_curve_plays_the_agent_of_that_moment(trained, browser):
    with serving(trained) as page, looking(browser, page) as window:
        window.goto(page.address)
        until(window, "document.querySelector('.chart')?.ariaLabel?.match(/ppo: \\d/)")
        window.locator(".u-over").click(position={"x": 80, "y": 100})
        window.get_by_text("The nearest saved agent").wait_for()
        window.get_by_role("region", name="Learning curves").get_by_role("link", name="Watch this agent").click()
        window.get_by_role("heading", name="Watch and take over").wait_for()
        until(window, "document.querySelector('.frame')?.alt.includes('step')")
        assert "at=" in window.url


def test_watch_and_take_over_a_cartpole(served, window):
    window.goto(f"{served.address}/#/watch?agent=shipped%3ACartPole-v1")
    until(window, "Number(document.querySelector('.frame')?.alt.match(/step (\\d+)/)?.[1]) > 5")
    policy = text(window, ".policy")
    assert "push left" in policy
    shares = [float(x) for x in re.findall(r"([\d.]+) %", policy)]
    assert sum(shares) == pytest.approx(100, abs=0.2)
    window.get_by_role("button", name="Take over").click()
    window.keyboard.down("ArrowLeft")
    window.get_by_text("the episode has ended").wait_for(timeout=PATIENCE)
    window.keyboard.up("ArrowLeft")
    assert "push left (you)" in text(window, ".watch-split .facts"), "who only pushes left falls"
    assert text(window, ".badge.running") == "your step"
    window.get_by_role("button", name="New episode").click()
    until(window, "document.querySelector('.frame')?.alt.includes('step 0')")
    window.get_by_role("button", name="Step", exact=True).click()
    until(window, "document.querySelector('.frame')?.alt.includes('step 1')")
    assert "(agent)" in text(window, ".watch-split .facts"), "it was handed back"
    window.get_by_role("button", name="One frame back").click()
    assert "step 0" in window.locator(".frame").get_attribute("alt")


def test_an_agent_with_continuous_actions_is_watched(served, window):
    window.goto(f"{served.address}/#/watch?agent=shipped%3APendulum-v1")
    until(window, "document.querySelector('.frame')?.alt.includes('step 2')")
    assert "90 % of draws" in text(window, ".policy")


def test_the_gallery_shows_films_side_by_side(served, window, monkeypatch, tmp_path):
    monkeypatch.setattr("logpi.api.gallery.film_folder", lambda: tmp_path / "films")
    monkeypatch.setattr("logpi.api.gallery.FILMED", 20)
    window.goto(f"{served.address}/#/gallery")
    window.get_by_label("Filter by name").fill("CartPole", timeout=PATIENCE)
    card = window.get_by_role("article", name="CartPole-v1")
    card.get_by_text("random actions").wait_for(timeout=PATIENCE)
    assert "500" in card.inner_text()
    assert "Discrete(2)" in card.inner_text()
    for what in ("random actions", "comes with logpi"):
        video = card.locator(f"video[aria-label='CartPole-v1, {what}']")
        video.wait_for(timeout=PATIENCE)
        wait(lambda video=video: video.evaluate("video => video.readyState") >= 2)
    window.get_by_role("link", name="Watch this agent").first.click()
    window.get_by_role("heading", name="Watch and take over").wait_for()


@pytest.mark.parametrize("room", OURS)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_rooms_are_accessible_at_both_widths(tmp_path, served, browser, room, theme):
    make_run(tmp_path / "runs")
    make_run(tmp_path / "runs", "ppo/CartPole-v1_2", seed=1)
    for width in (400, 1400):
        with looking(browser, served, viewport={"width": width, "height": 900}, color_scheme=theme) as window:
            window.goto(f"{served.address}/#/{room}")
            ready = {"runs": ".chart canvas", "gallery": "article", "watch": ".policy li"}[room]
            window.locator(ready).first.wait_for(timeout=PATIENCE)
            assert window.evaluate("document.documentElement.dataset.theme") == theme
            wide = window.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{room} is {wide} pixels wide at {width}"
            assert axe(window) == []


def test_by_keyboard_alone(tmp_path, served, window):
    make_run(tmp_path / "runs")
    window.goto(served.address)
    window.get_by_role("row").filter(has_text="CartPole-v1_1").wait_for(timeout=PATIENCE)
    window.keyboard.press("Tab")
    assert window.evaluate("document.activeElement.className") == "skip"
    window.keyboard.press("Tab")
    window.keyboard.press("Tab")
    assert window.evaluate("document.activeElement.dataset.room") == "runs"
    window.keyboard.press("Tab")
    window.keyboard.press("Enter")
    until(window, "location.hash.startsWith('#/') && document.title !== 'Runs · logpi'")
    window.go_back()
    window.get_by_label("Draw the curve of ppo/CartPole-v1_1").focus()
    window.keyboard.press("Space")
    window.get_by_text("Mark runs in the list").wait_for(timeout=PATIENCE)
    window.get_by_role("button", name="Train an agent").focus()
    window.keyboard.press("Enter")
    window.get_by_role("dialog").wait_for(timeout=PATIENCE)
    window.keyboard.press("Escape")
    window.get_by_role("dialog").wait_for(state="hidden", timeout=PATIENCE)
    window.get_by_role("button", name="Switch to dark colours").focus()
    window.keyboard.press("Enter")
    until(window, "document.documentElement.dataset.theme === 'dark'")
    window.reload()
    until(window, "document.documentElement.dataset.theme === 'dark'")  # it is remembered


def test_a_page_that_only_shows_offers_no_change(tmp_path, browser):
    make_run(tmp_path / "runs")
    with serving(tmp_path / "runs", readonly=True) as page, looking(browser, page) as window:
        window.goto(page.address)
        window.get_by_text("read only").wait_for(timeout=PATIENCE)
        for name in ("Train an agent", "Train longer", "Compare the marked runs"):
            assert window.get_by_role("button", name=name).is_disabled(timeout=PATIENCE), name


def test_files_of_the_page_are_few_and_name_no_other_machine():
    static = Path(logpi.__file__).parent / "page" / "static"
    files = [path for path in static.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 500_000
    for path in files:
        if path.suffix in (".js", ".css", ".html") and "vendor" not in path.parts:
            found = re.findall(r"https?://[^\s\"'`)]+", path.read_text("utf-8"))
            assert set(found) <= {"http://www.w3.org/2000/svg"}, path
    assert set(OURS) <= set(room_names())

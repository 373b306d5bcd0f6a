"""Names that people give for environments which have another name here, or come with another package."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

VERSION = re.compile(r"[-_]v\d+$")
ATARI = (  # titles, separated by spaces
    "AirRaid Alien Amidar Assault Asterix Asteroids Atlantis BankHeist BattleZone BeamRider Berzerk Bowling Boxing "
    "Breakout Carnival Centipede ChopperCommand CrazyClimber Defender DemonAttack DoubleDunk ElevatorAction Enduro "
    "FishingDerby Freeway Frostbite Gopher Gravitar Hero IceHockey Jamesbond JourneyEscape Kangaroo Krull KungFuMaster "
    "MontezumaRevenge MsPacman NameThisGame Phoenix Pitfall Pong Pooyan PrivateEye Qbert Riverraid RoadRunner Robotank "
    "Seaquest Skiing Solaris SpaceInvaders StarGunner Surround Tennis TimePilot Tutankham UpNDown Venture VideoPinball "
    "WizardOfWor YarsRevenge Zaxxon"
)
PACKAGES = {  # how ids begin: package that registers them, and its module
    "BabyAI-": ("minigrid", "minigrid"),
    "FlappyBird-": ("flappy-bird-gymnasium", "flappy_bird_gymnasium"),
    "MiniGrid-": ("minigrid", "minigrid"),
    "MiniHack-": ("minihack", "minihack"),
    "MiniWorld-": ("miniworld", "miniworld"),
    "AdroitHand": ("gymnasium-robotics", "gymnasium_robotics"),
    "AntMaze": ("gymnasium-robotics", "gymnasium_robotics"),
    "Fetch": ("gymnasium-robotics", "gymnasium_robotics"),
    "HandManipulate": ("gymnasium-robotics", "gymnasium_robotics"),
    "Panda": ("panda-gym", "panda_gym"),
    "PointMaze": ("gymnasium-robotics", "gymnasium_robotics"),
    "dm_control/": ("'shimmy[dm-control]'", "shimmy"),
    "highway-": ("highway-env", "highway_env"),
}
EXTRAS = {  # in an error: the extra it needs
    **{"mujoco": "mujoco", "box2d": "box2d"},
    **dict.fromkeys(("ale_py", "ale-py", "opencv", "cv2"), "atari"),
}
MULTI_AGENT = re.compile(r"(pettingzoo\b.*)|([a-z0-9_]+_v\d+)")  # PettingZoo's names


def squashed(name: str) -> str:
    """``name`` without its version, in small letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "", VERSION.sub("", name).lower())


def close_to(name: str, known: Iterable[str]) -> list[str]:
    """At most three of ``known`` that ``name`` may stand for, the likeliest first."""
    names = sorted(known, reverse=True)  # the newest version first
    same = [other for other in names if squashed(other) == squashed(name)]
    lower = {other.lower(): other for other in names}
    found = difflib.get_close_matches(name.lower(), lower, n=3, cutoff=0.5)
    return [*same, *(lower[other] for other in found if lower[other] not in same)][:3]


def elsewhere(name: str) -> str:
    """Where the environment called ``name`` is found, in a sentence; "" where that is not known.

    Atari's games and the packages in ``PACKAGES`` are known, and the form of PettingZoo's names.
    """
    game = re.sub(r"(noframeskip|deterministic|ram)$", "", squashed(name.removeprefix("ALE/")))
    atari = next((title for title in ATARI.split() if title.lower() == game), None)
    if atari:
        return f"it is ALE/{atari}-v5, which needs the Atari emulator: pip install 'logpi[atari]'"
    for begin, (package, module) in PACKAGES.items():
        if name.startswith(begin):
            return f"it comes with another package: pip install {package}, then name it {module}:{name}"
    if MULTI_AGENT.fullmatch(name.lower()):
        return (
            "it looks like an environment of PettingZoo: write pettingzoo:FAMILY.NAME, such as "
            "pettingzoo:butterfly.pistonball_v6 (docs/environments.md)"
        )
    return ""


def extra_for(error: BaseException) -> str:
    """The extra of logpi that brings what an import lacked, as a command."""
    found = [extra for word, extra in EXTRAS.items() if word in str(error).lower()]
    return (
        f"pip install 'logpi[{found[0]}]'" if found else "pip install 'logpi[box2d]', 'logpi[atari]' or 'logpi[mujoco]'"
    )

"""Do recurrent policies solve tasks whose velocities are hidden, where feed-forward ones do not?

    python bench/recurrent.py --work DIR [--only PendulumNoVel-v1 ...]

As ``bench/learning.py``, whose arguments these are, with five seeds: each recipe of PPO with a memory, and the same
settings without one. What DIR holds is not trained again.
"""

from learning import Subject, main

TARGETS = {"CartPoleNoVel-v1": 450, "PendulumNoVel-v1": -250, "MountainCarContinuousNoVel-v0": 90}
KINDS = {"": (), ":feed-forward": ("--memory", "none")}
RECURRENT = Subject(
    "recurrent",
    "Policies with and without a memory where velocities are hidden",
    {f"{env}:ppo{name}": flags for env in TARGETS for name, flags in KINDS.items()},
    TARGETS,
    seeds=5,
)

if __name__ == "__main__":
    main(RECURRENT, __doc__)

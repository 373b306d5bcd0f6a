"""How well the recipes with Q-functions learn: greedy returns on the Gymnasium environment, over seeds, and their cost.

    python bench/second_family.py --work DIR [--only CartPole-v1:qac Pendulum-v1 ...] [--skip LunarLanderContinuous-v3]

As ``bench/learning.py``, whose arguments these are: what DIR holds is not trained again, and without anything left to
train the table alone is written.
"""

from learning import Subject, main

SECOND_FAMILY = Subject(
    "second_family",
    "Learning with Q-functions",
    {
        "CartPole-v1:dqn": (),
        "CartPole-v1:pqn": (),
        "Acrobot-v1:dqn": (),
        "Acrobot-v1:pqn": (),
        "MountainCar-v0:dqn": (),
        "LunarLander-v3:dqn": (),
        "CartPole-v1:qac": (),
        "CartPole-v1:qac:replay": ("--replay",),
        "CartPole-v1:sac_discrete": (),
        "Pendulum-v1:sac": (),
        "Pendulum-v1:td3": (),
        "MountainCarContinuous-v0:sac": (),
        "MountainCarContinuous-v0:td3": (),
        "LunarLanderContinuous-v3:sac": (),
    },
    {
        "CartPole-v1": 475,
        "Acrobot-v1": -90,
        "MountainCar-v0": -120,
        "LunarLander-v3": 200,
        "Pendulum-v1": -160,
        "MountainCarContinuous-v0": 90,
        "LunarLanderContinuous-v3": 240,
    },
)

if __name__ == "__main__":
    main(SECOND_FAMILY, __doc__)

"""An agent as an ONNX model answers as the agent does, in a process that has neither JAX nor logpi."""

import json
import subprocess
import sys
from collections import deque

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from gymnasium import spaces
from small import quick_compilation

import logpi
from logpi import LogpiError
from logpi.cli.main import main
from logpi.config.settings import Network
from logpi.control.agent import Agent, save_agent, standard_policy
from logpi.deploy import onnx
from logpi.envs.spaces import plain
from logpi.games.agent import GameAgent
from logpi.games.rules.make import make_game
from logpi.games.settings import BoardNetwork
from logpi.methods import method_of
from logpi.nets.policy import example, make_policy
from logpi.nets.q import QNetwork, make_q
from logpi.ops.normalization import Moments, Statistics, init_statistics
from logpi.ram.agent import ImageAgent, task_of
from logpi.ram.methods.classifier import Classifier
from logpi.ram.methods.ram import RAM
from logpi.ram.settings import RamNetwork, WholeImageNetwork
from logpi.tasks import record
from logpi.types import EnvSpec

pytest.importorskip("jax2onnx")

BOX = spaces.Box(-2.0, 2.0, (3,))
MASKED = spaces.Dict({"a": BOX, "action_mask": spaces.MultiBinary(4)})
SMALL = Network(hidden=(8,))
CONTROL = {  # kind of agent: observations, actions, network, whether observations are normalised
    "discrete": (BOX, spaces.Discrete(4, start=3), SMALL, True),
    "continuous": (BOX, spaces.Box(np.float32([-1, 0]), np.float32([3, 1])), SMALL, True),
    "squashed": (BOX, spaces.Box(-1.0, 3.0, (2,)), Network(hidden=(8,), squash=True), False),
    "multidiscrete": (BOX, spaces.MultiDiscrete([2, 3], start=[1, 0]), SMALL, False),
    "multibinary": (BOX, spaces.MultiBinary(3), SMALL, False),
    "dict": (spaces.Dict({"b": spaces.Discrete(3), "a": BOX}), spaces.Discrete(4), SMALL, True),
    "tuple": (spaces.Tuple((spaces.MultiBinary(2), BOX)), spaces.Discrete(4), SMALL, False),
    "masked": (MASKED, spaces.Discrete(4), SMALL, True),
    "pixel": (spaces.Box(0, 255, (40, 36, 3), np.uint8), spaces.Discrete(4), SMALL, False),
}
STATEFUL = {  # kind of agent: observations, network, frames of a stack around its environment, how it is filled
    "gru": (BOX, Network(hidden=(8,), memory="gru", memory_size=4), 1, "reset"),
    "lstm": (BOX, Network(hidden=(8,), memory="lstm", memory_size=4), 1, "reset"),
    "stack": (BOX, SMALL, 3, "reset"),
    "zeros": (BOX, SMALL, 3, "zero"),
    "both": (BOX, Network(hidden=(8,), memory="gru", memory_size=4), 3, "reset"),
    "frames": (spaces.Box(0, 255, (36, 36), np.uint8), SMALL, 4, "reset"),
}
RUNNER = """
import json, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("jax", "jaxlib", "logpi", "jax2onnx"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Forbidden())
import numpy, onnxruntime

for name in sys.argv[1:]:
    session = onnxruntime.InferenceSession(f"{name}.onnx")
    given, wanted = numpy.load(f"{name}.in.npz"), numpy.load(f"{name}.out.npz")  # [T, B, ...]
    kinds = {"tensor(float)": "float32", "tensor(uint8)": "uint8"}
    rows = {part.name: part for part in session.get_inputs()}
    batch = given[given.files[0]].shape[1]
    state = {  # 7: what a state holds before the first decision counts for nothing
        key: numpy.full((batch, *part.shape[1:]), 7, kinds[part.type])
        for key, part in rows.items()
        if key.startswith("state")
    }
    assert set(rows) == {*given, *state}, set(rows)
    worst, shapes = 0.0, True
    for t in range(len(given[given.files[0]])):
        answer = session.run(None, {**{key: given[key][t] for key in given}, **state})
        answer = dict(zip([part.name for part in session.get_outputs()], answer))
        state = {key: answer[f"next_{key}"] for key in state}
        for key in wanted:
            shapes = shapes and wanted[key][t].shape == answer[key].shape
            worst = max(worst, float(numpy.abs(wanted[key][t].astype(float) - answer[key]).max()))
    print(json.dumps({"name": name, "worst": worst, "shapes": shapes, "steps": t + 1, "states": len(state)}))
assert "jax" not in sys.modules
"""


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def agent_of(observation, action, network, normalized=False, facts=None, make=make_policy):
    """An agent with random weights, far from uniform, and with normalisers that matter."""
    spec = EnvSpec("Own-v0", observation, action, 10)
    policy = make(spec, network)
    params = jax.tree.map(lambda x: 2 * x, policy.init(jax.random.key(1)))
    statistics = init_statistics(example(observation), 1, normalized, False)
    seen = [m if m == () else Moments(jnp.float32(9), m.mean + 0.7, m.m2 + 3.0) for m in statistics.obs]
    return Agent(spec, policy, params, Statistics(obs=tuple(seen)), facts or {})


def batch_of(space, n):
    space.seed(0)
    return jax.tree.map(lambda *x: np.stack(x), *(plain(space, space.sample()) for _ in range(n)))


def named(name, tree):
    """Inputs as docs/deploy.md names them."""
    if isinstance(tree, dict):
        return {key: x for part, value in tree.items() for key, x in named(f"{name}.{part}", value).items()}
    if isinstance(tree, tuple):
        return {key: x for i, value in enumerate(tree) for key, x in named(f"{name}.{i}", value).items()}
    return {name: np.asarray(tree)}


class Cases:
    """Models in a folder, with inputs and what is wanted of them, each [T, B, ...]."""

    def __init__(self, folder):
        self.folder, self.names = folder, []

    def add(self, name, agent, inputs, outputs):
        """One decision, or a list of them."""
        self.names.append(name)
        logpi.export(agent, self.folder / f"{name}.onnx")
        for part, rows in (("in", inputs), ("out", outputs)):
            rows = rows if isinstance(rows, list) else [rows]
            np.savez(
                self.folder / f"{name}.{part}.npz", **{key: np.stack([row[key] for row in rows]) for key in rows[0]}
            )

    def run(self):
        """What the models answered, by name."""
        command = [sys.executable, "-c", RUNNER, *self.names]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        found = {case["name"]: case for case in map(json.loads, done.stdout.splitlines())}
        assert list(found) == self.names
        assert all(case["shapes"] for case in found.values())
        assert {name: case["worst"] for name, case in found.items() if not case["worst"] < 1e-5} == {}
        return found


def test_agents_act_alike_without_jax(tmp_path):
    cases = Cases(tmp_path)
    for kind, (observation, action, network, normalized) in CONTROL.items():
        agent, obs = agent_of(observation, action, network, normalized), batch_of(observation, 5)
        cases.add(kind, agent, named("observation", obs), {"action": agent.act(obs)})
    agent, obs = agent_of(BOX, spaces.Discrete(4), QNetwork(dueling=True), make=make_q), batch_of(BOX, 5)
    cases.add("values", agent, {"observation": obs}, {"action": agent.act(obs)})
    cases.run()


def test_agents_that_remember_act_alike_over_an_episode(tmp_path):
    cases = Cases(tmp_path)
    for kind, (frame, network, frames, padding) in STATEFUL.items():
        low, high = (np.stack([end] * frames) if frames > 1 else end for end in (frame.low, frame.high))
        wrappers = [{"name": "frame-stack", "kwargs": {"stack_size": frames, "padding_type": padding}}]
        facts = {"wrappers": wrappers if frames > 1 else []}
        agent = agent_of(spaces.Box(low, high, dtype=frame.dtype), spaces.Box(-1, 1, (2,)), network, facts=facts)
        inputs, outputs = [], []
        for t, seen in enumerate(batch_of(frame, 4 * 3).reshape(4, 3, *frame.shape)):
            if t == 0:
                past = deque([np.zeros_like(seen) if padding == "zero" else seen] * frames, frames)
            past.append(seen)
            inputs.append({"observation": seen, "first": np.full(3, t == 0)})
            outputs.append({"action": agent.act(np.stack(past, 1) if frames > 1 else seen)})
        cases.add(kind, agent, inputs, outputs)
    found = cases.run()
    assert {kind: case["states"] for kind, case in found.items()} == {
        **{"gru": 1, "lstm": 2, "stack": 1, "zeros": 1, "both": 2, "frames": 1}
    }


def off_policy(name, action, **settings):
    """An agent that acts by its method, not by its network alone."""
    spec, method = EnvSpec("Own-v0", BOX, action, 10), method_of(name)
    config, network = method.settings(**settings), method.network(hidden=(8,))
    algorithm = method(config, standard_policy(method, spec, network), spec, example(BOX))
    learner = algorithm.init(jax.random.key(0))
    return Agent(spec, algorithm.policy, learner.params, Statistics(), {}, algorithm)


def test_methods_with_a_way_of_acting_of_their_own(tmp_path):
    cases, obs = Cases(tmp_path), batch_of(BOX, 5)
    for name, action in (
        ("sac", spaces.Box(-2, 3, (2,))),
        ("td3", spaces.Box(-2, 3, (2,))),
        ("dqn", spaces.Discrete(4)),
    ):
        agent = off_policy(name, action)
        cases.add(name, agent, {"observation": obs}, {"action": agent.act(obs)})
    cases.run()


IMAGES = {  # kind of agent: its method's settings, its network
    "one scale": (RAM(n_glimpses=3), RamNetwork(4, 1, 8, 8, "rectifier", 8, 8, 8)),
    "sums": (RAM(n_glimpses=3), RamNetwork(4, 3, 8, 8, "lstm", 8, 8, 8)),
    "windows": (RAM(n_glimpses=2, canvas=40), RamNetwork(2, 2, 8, 8, "rectifier", 8, 8, 8)),
    "grid": (RAM(n_glimpses=4, location_policy="grid"), RamNetwork(4, 1, 8, 8, "rectifier", 8, 8, 8)),
    "whole": (Classifier(), WholeImageNetwork("conv", (8,), (4,), 5, 2, 8)),
}


def looking(config, network):
    """A classifier with random weights."""
    task, classes = task_of(config, (14, 14, 1), 5), tuple("abcde")
    algo = "classifier" if config.sees_whole else "ram"
    params = method_of(algo)(config, network, task).init(jax.random.key(1)).params
    return ImageAgent(config, network, task, classes, params, {"algo": algo})


def test_images_are_looked_at_alike(tmp_path):
    cases = Cases(tmp_path)
    for kind, (config, network) in IMAGES.items():
        agent = looking(config, network)
        side = agent.task.scene.height
        images = np.random.default_rng(1).integers(0, 256, (3, 1, side, side, 1), np.uint8)
        inputs, outputs = [{"image": image} for image in images], []
        for seed, given in enumerate(inputs):
            looked = agent.look(given["image"], seed=seed)
            outputs.append({"probabilities": looked.probabilities.swapaxes(0, 1)})
            if not config.sees_whole:
                reach, key = config.init_location_range, jax.random.split(jax.random.key(seed))[0]
                given["first_place"] = np.asarray(jax.random.uniform(key, (1, 2), minval=-reach, maxval=reach))
                outputs[-1]["corner"] = looked.corner.swapaxes(0, 1)
        cases.add(kind.replace(" ", "-"), agent, inputs, outputs)
    cases.run()


def test_random_places_are_refused():
    agent = looking(RAM(location_policy="random"), RamNetwork(4, 1, 8, 8, "rectifier", 8, 8, 8))
    with pytest.raises(LogpiError, match="location_policy is random"):
        logpi.export(agent, "agent.onnx")


def test_boards_are_judged_alike(tmp_path):
    cases = Cases(tmp_path)
    for name, torso in (("connect-four", "mlp"), ("tic-tac-toe", "conv"), ("hex-4x4", "mlp")):
        game, network = make_game(name), BoardNetwork(torso=torso, units=8, blocks=1, value_units=8)
        method = method_of("alphazero")
        config = method.settings(eval_simulations=2)
        params = method(config, network, game).init(jax.random.key(1)).params
        agent = GameAgent(game, config, network, jax.tree.map(lambda x: 2 * x, params), {"algo": "alphazero"})
        states = [game.init()]
        for move in (1, 2, 6):
            states.append(jax.jit(game.step)(states[-1], jnp.int32(move)))
        batch = jax.tree.map(lambda *x: jnp.stack(x), *states)
        policy, value = agent.evaluate(batch)
        inputs = {"observation": jax.vmap(game.observe)(batch), "legal": jax.vmap(game.legal)(batch)}
        if game.observed_action is not None:
            inputs["order"] = jax.vmap(game.observed_action)(batch)
        cases.add(name, agent, inputs, {"policy": policy, "value": value})
        assert len(np.unique(policy.round(6))) > 4
    cases.run()


def test_a_wrong_model_is_not_written(tmp_path, monkeypatch):
    """What jax2onnx gives is compared with the agent, and what differs is refused."""
    agent, other = (agent_of(BOX, spaces.Box(-1, 1, (2,)), Network(hidden=(n,))) for n in (8, 9))
    wrong = onnx.converted(record("control").export(other))
    monkeypatch.setattr(onnx, "converted", lambda exported: wrong)
    with pytest.raises(LogpiError, match="action differs from the agent's"):
        logpi.export(agent, tmp_path / "agent.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_converted_is_named(tmp_path):
    def sorted_by_host(spec, network):
        policy = make_policy(spec, network)

        def apply(params, memory, obs):
            shape = jax.ShapeDtypeStruct(obs.shape, obs.dtype)
            return policy.apply(params, memory, jax.pure_callback(lambda x: x, shape, obs))

        return policy._replace(apply=apply)

    agent = agent_of(BOX, spaces.Discrete(4), SMALL, make=sorted_by_host)
    with pytest.raises(LogpiError, match=r"jax2onnx cannot convert this agent: .*pure_callback"):
        logpi.export(agent, tmp_path / "agent.onnx")


def test_the_command(tmp_path, capsys):
    agent = agent_of(BOX, spaces.Discrete(4), SMALL)
    save_agent(tmp_path / "a", agent.learner, agent.spec, SMALL, {"algo": "ppo", "policy": ""})
    file = tmp_path / "a.onnx"
    assert main(["export", str(tmp_path / "a"), "--onnx", str(file)]) == 0
    said = capsys.readouterr().out
    assert "observation  tensor(float)  ['B', 3]" in said
    assert "action  tensor(int32)  ['B']" in said
    import onnx as library

    facts = {entry.key: entry.value for entry in library.load(file).metadata_props}
    assert (facts["env"], facts["algo"]) == ("Own-v0", "ppo")
    assert json.loads(facts["action_space"])["n"] == 4
    assert main(["export", str(tmp_path / "a"), "--onnx", "a.bin"]) == 1
    assert "does not end in .onnx" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "a")]) == 1
    assert "--onnx agent.onnx" in capsys.readouterr().err


def test_without_the_extra_it_says_which(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    with pytest.raises(LogpiError, match=r"pip install 'logpi\[onnx\]'"):
        logpi.export(agent_of(BOX, spaces.Discrete(4), SMALL), tmp_path / "a.onnx")


def test_jax_is_as_it_was_after_an_export(tmp_path):
    before = {name: vars(jnp)[name] for name in dir(jnp)}
    logpi.export(agent_of(BOX, spaces.Discrete(4), SMALL), tmp_path / "a.onnx")
    assert [name for name, value in before.items() if getattr(jnp, name) is not value] == []
    assert jnp.cumsum(jnp.arange(3), 0).tolist() == [0, 1, 3]

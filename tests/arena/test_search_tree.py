"""A search looked at simulation by simulation: the numbers of the search that training and play make."""

import jax
import numpy as np
import pytest
from small import quick_compilation

from logpi.arena.board_game import BoardGame
from logpi.arena.players.base import begin
from logpi.arena.players.make import make_player
from logpi.arena.players.mcts import AgentPlayer, PlainPlayer
from logpi.arena.search_tree import search
from logpi.config.experiments import resolve
from logpi.errors import LogpiError
from logpi.games.agent import GameAgent
from logpi.games.rules.make import make_game
from logpi.games.search.tree import edges
from logpi.methods import find_method

SIMULATIONS = 40


@pytest.fixture(autouse=True, scope="module")
def quick():
    with quick_compilation():
        yield


def agent_of(name, **method):
    """An untrained agent."""
    chosen, _ = resolve(name, "alphazero", {"network": {"units": 32, "blocks": 1, "value_units": 8}, "method": method})
    game = make_game(name)
    params = find_method("alphazero")(chosen.method, chosen.network, game).init(jax.random.key(0)).params
    return GameAgent(game, chosen.method, chosen.network, params, {"algo": "alphazero", "env": name})


@pytest.fixture(scope="module", params=["puct", "gumbel"])
def found(request):
    """(agent, what training's search finds, the same search as it went), where c1 wins at once."""
    agent = agent_of("tic-tac-toe", play_search=request.param)
    position = BoardGame(agent.game, ["a1", "a2", "b1", "b2"]).now
    player = AgentPlayer(agent, "agent", SIMULATIONS, seed=3)
    key = jax.random.fold_in(jax.random.key(3), 0)
    states = jax.tree.map(lambda x: np.asarray(x)[None], position.state)
    return agent, jax.device_get(agent.think(agent.params, states, key, SIMULATIONS)), search(player, position)


def test_the_visits_are_those_of_the_search_that_plays(found):
    _, searched, tree = found
    visits = {move.action: move.visits for move in tree.moves()}
    assert visits == {a: int(searched.visits[0, a]) for a in np.flatnonzero(searched.legal[0])}
    assert tree.answer.action == searched.action[0]
    assert tree.answer.visits == {a: n for a, n in visits.items() if n}


def test_every_node_has_the_totals_of_the_search(found):
    _, searched, tree = found
    visits, total = tree.after()
    np.testing.assert_array_equal(visits, searched.tree.visits[:, 0])
    np.testing.assert_allclose(total, searched.tree.total[:, 0], rtol=1e-5, atol=1e-5)
    assert visits[0] == SIMULATIONS + 1
    assert (tree.reached != np.arange(SIMULATIONS + 1)).any(), "no simulation reached an end once more"


def test_q_and_p_of_every_node_are_what_the_rule_of_selection_sees(found):
    _, searched, tree = found
    for node in range(SIMULATIONS + 1):
        if tree.parent[node] < 0 and node:
            continue
        e = jax.device_get(edges(jax.tree.map(np.asarray, searched.tree), np.array([node]), int(tree.depth[node])))
        for move in tree.moves(node):
            slot = move.action
            assert move.visits == e.visits[0, slot]
            assert (move.q or 0.0) == pytest.approx(float(e.q[0, slot]), abs=1e-5)
            assert move.prior == pytest.approx(float(jax.nn.softmax(e.logits[0])[slot]), abs=1e-5)


def test_an_earlier_moment_is_the_shorter_search():
    """PUCT without noise makes the same simulations whatever follows."""
    agent = agent_of("connect-four", play_search="puct")
    position = begin(agent.game)
    whole = search(AgentPlayer(agent, "agent", 24), position)
    short = search(AgentPlayer(agent, "agent", 9), position)
    for early, move in zip(whole.moves(0, 9), short.moves(), strict=True):
        assert (early.action, early.visits, early.child) == (move.action, move.visits, move.child)
        assert [early.q, early.value, early.prior] == pytest.approx([move.q, move.value, move.prior], abs=1e-5)
    assert whole.line(9) == short.line()


def test_positions_of_nodes_are_those_of_the_moves(found):
    agent, _, tree = found
    node = int(tree.depth.argmax())
    place = tree.place(node)
    again = BoardGame(agent.game, place.actions)
    for a, b in zip(jax.tree.leaves(place.state), jax.tree.leaves(again.now.state), strict=True):
        np.testing.assert_array_equal(a, b)
    assert bool(tree.terminal[node]) == (again.result is not None)


def test_plain_search_is_the_one_that_plays():
    game = make_game("tic-tac-toe")
    position = BoardGame(game, ["a1", "b2", "a2"]).now  # a3 must be stopped
    (answer,) = PlainPlayer(game, 200, seed=1).choose([position])
    tree = search(PlainPlayer(game, 200, seed=1), position)
    assert (tree.answer.action, tree.answer.value) == (answer.action, answer.value)
    assert game.name(answer.action) == "a3"
    assert sum(move.visits for move in tree.moves()) == 200
    assert all(move.prior is None for move in tree.moves())
    assert tree.line()[0] == answer.action == max(tree.moves(), key=lambda move: move.visits).action


def test_json_replays_the_search(found):
    _, _, tree = found
    facts = tree.to_json()
    visits = np.zeros(facts["simulations"] + 1, int)
    for node in facts["reached"]:
        while node >= 0:
            visits[node] += 1
            node = facts["parent"][node]
    np.testing.assert_array_equal(visits, tree.after()[0])


@pytest.mark.parametrize(
    "call", [lambda t: t.moves(99), lambda t: t.moves(0, 99), lambda t: t.after(-1), lambda t: t.state(-1)]
)
def test_what_is_out_of_range_is_refused(found, call):
    with pytest.raises(LogpiError, match="allowed: 0 to 40"):
        call(found[2])


def test_a_player_without_a_search_says_so():
    game = make_game("tic-tac-toe")
    with pytest.raises(LogpiError, match="does not search"):
        search(make_player("random", game), begin(game))

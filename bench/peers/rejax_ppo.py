"""rejax's PPO on CartPole-v1 from its released package: compile seconds and steady steps per second.

    python bench/peers/rejax_ppo.py --num-envs 64 --num-steps 128

Needs `pip install rejax`. 4 epochs x 4 minibatches, two 64-unit tanh layers for each of policy and value.
Its periodic evaluation is switched off by its own `eval_callback` field; the last agent is scored by its own
evaluation after the clock has stopped. Prints one JSON line.
"""

import json

import jax
from jax_timing import measure, parse
from rejax import PPO


def main() -> None:
    args = parse(__doc__)
    steps = args.updates * args.num_envs * args.num_steps
    algorithm = PPO.create(
        env="CartPole-v1",
        agent_kwargs={"activation": "tanh", "hidden_layer_sizes": (64, 64)},
        num_envs=args.num_envs,
        num_steps=args.num_steps,
        num_epochs=4,
        num_minibatches=4,
        total_timesteps=steps,
        eval_freq=steps,
        skip_initial_evaluation=True,
        learning_rate=1e-3,
        max_grad_norm=0.5,
    )
    evaluate = algorithm.eval_callback
    silent = algorithm.replace(eval_callback=lambda algorithm, state, rng: ())
    result, (state, _) = measure(silent.train, args)
    if args.seeds > 1:
        state = jax.tree.map(lambda leaf: leaf[0], state)
    _, returns = evaluate(algorithm, state, state.rng)
    print(json.dumps({"peer": "rejax"} | result | {"return": round(float(returns.mean()), 1)}))


if __name__ == "__main__":
    main()

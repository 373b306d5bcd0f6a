"""Tree search over a batch of positions, guided by a network: PUCT and Gumbel."""

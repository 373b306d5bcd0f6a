// A search replayed: N and W of every node after any number of simulations, and where the nodes of the tree stand.

/** Visits and totals of a tree as the server sends it, at the simulation `at`; values are in the root player's view. */
export class Replay {
  constructor(tree) {
    this.tree = tree;
    this.size = tree.parent.length;
    this.visits = new Int32Array(this.size);
    this.total = new Float64Array(this.size);
    this.depth = new Int32Array(this.size);
    this.children = Array.from({ length: this.size }, () => []);
    for (let node = 1; node < this.size; node++) {
      const above = tree.parent[node];
      if (above < 0) continue; // a simulation that reached the end of a game once more made no node
      this.depth[node] = this.depth[above] + 1;
      this.children[above].push(node);
    }
    this.at = -1;
    this.go(tree.simulations);
    this.last = this.visits.slice();
  }

  /** The nodes from the root to the one that simulation k reached. */
  path(k = this.at) {
    const found = [];
    for (let node = this.tree.reached[k]; node >= 0; node = this.tree.parent[node]) found.push(node);
    return found.reverse();
  }

  /** Replay forward or back to simulation k. */
  go(k) {
    k = Math.max(0, Math.min(k, this.tree.simulations));
    while (this.at < k) this.#pass(++this.at, 1);
    while (this.at > k) this.#pass(this.at--, -1);
  }

  #pass(k, sign) {
    const value = this.tree.value[this.tree.reached[k]];
    for (const node of this.path(k)) {
      this.visits[node] += sign;
      this.total[node] += sign * value;
    }
  }

  /** Mean value of a node for the player who moved to it. */
  q(node) {
    const sign = this.depth[node] % 2 ? 1 : -1;
    return this.visits[node] ? (sign * this.total[node]) / this.visits[node] : null;
  }

  /** Value for the player to move at the root, after k simulations. */
  get value() {
    return this.visits[0] ? this.total[0] / this.visits[0] : 0;
  }

  /** The moves from the root to a node, by name. */
  line(node) {
    const names = [];
    for (; node > 0; node = this.tree.parent[node]) names.push(this.tree.name[node]);
    return names.reverse();
  }

  /** Nodes that are drawn: the most visited ones at the end, at most `most`, each with its parent. */
  shown(most) {
    const order = [...this.last.keys()].filter((node) => node === 0 || this.tree.parent[node] >= 0);
    order.sort((a, b) => this.last[b] - this.last[a] || a - b);
    return new Set(order.slice(0, most)); // a parent has at least the visits of its child, and a smaller number
  }

  /** {x, y} of each of the nodes: leaves side by side, a parent over the middle of its children. */
  layout(shown) {
    const place = new Map();
    let leaf = 0;
    const walk = (node) => {
      const below = this.children[node].filter((child) => shown.has(child));
      below.sort((a, b) => this.tree.action[a] - this.tree.action[b]);
      below.forEach(walk);
      const x = below.length ? (place.get(below[0]).x + place.get(below.at(-1)).x) / 2 : leaf++;
      place.set(node, { x, y: this.depth[node] });
    };
    walk(0);
    return { place, leaves: leaf, depth: Math.max(...[...shown].map((node) => this.depth[node])) };
  }
}

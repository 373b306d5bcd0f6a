// Runs: all of them live, their curves over each other, what differs, and starting, stopping and going on.

import { curveChart } from "../charts.js";
import { agentLink, choice, field, h, put, series, toast, unique } from "../dom.js";
import { bytes, duration, integer, number, score, short, significant } from "../format.js";

const STATUS = { running: "running", finished: "good", interrupted: "warn", failed: "bad" };
const METRICS = { "eval/mean_reward": "evaluation", "rollout/ep_rew_mean": "training" };

const statusOf = (run) => (run.failure ? "failed" : run.status);
const badge = (run) => h("span", { class: `badge ${STATUS[statusOf(run)] ?? ""}` }, statusOf(run));

/** A score with its interval, in words. */
function scored(run) {
  const half = number(run.half);
  const text = score(run.score, run.percent);
  if (!Number.isFinite(half) || half === 0) return text;
  return `${text} ± ${run.percent ? (100 * half).toFixed(2) + " %" : significant(half, 2)}`;
}

export function mount(element, api, params) {
  const runs = new Map();
  const jobs = new Map();
  const marked = new Set(params.run ? params.run.split(",") : []);
  let current = [...marked][0] ?? null;
  let by = "steps", metric = "", filter = "", only = "all";
  let asked = null, again = null, ended = false, touched = false; // touched: a person has marked or cleared runs

  // ---- the parts ------------------------------------------------------------------------------------------------
  const count = h("p", {}, "Looking for runs …");
  const trainButton = h("button", { type: "button", class: "primary", disabled: api.readonly, onclick: () => trainDialog() }, "Train an agent");
  const search = h("input", { type: "search", placeholder: "Filter by name", "aria-label": "Filter runs by name", oninput: () => { filter = search.value.toLowerCase(); list(); } });
  const statusChoice = choice("Status", [["all", "All"], ["running", "Running"], ["finished", "Finished"]], "all", (value) => { only = value; list(); });
  const body = h("tbody");
  const table = h("table", { class: "runs" },
    h("caption", { class: "visually-hidden" }, "Runs, the newest first"),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, h("span", { class: "visually-hidden" }, "Draw")), h("th", { scope: "col" }, "Run"), 
      h("th", { scope: "col", class: "number" }, "Score"), h("th", { scope: "col" }, "Progress, speed, time"))),
    body);
  const chartBox = h("div");
  const metricSelect = h("select", { "aria-label": "Metric", onchange: () => { metric = metricSelect.value; curves(); } }, h("option", { value: "" }, "Score"));
  const byChoice = choice("Horizontal axis", [["steps", "Steps"], ["seconds", "Seconds"]], by, (value) => { by = value; curves(); });
  const legend = h("ul", { class: "legend" });
  const said = h("p", { class: "small" });
  const popup = h("div", { class: "notice row", hidden: true, role: "status" });
  const differing = h("div");
  const compareButton = h("button", { type: "button", disabled: true, onclick: compare }, "Compare the marked runs");
  const detail = h("section", { class: "card", "aria-label": "Run", hidden: true });
  const commands = h("section", { class: "card", "aria-label": "Commands of this page", hidden: true });
  const chartCard = h("section", { class: "card", "aria-label": "Learning curves" },
    h("header", {}, h("h2", {}, "Learning curves"), h("div", { class: "row" }, metricSelect, byChoice)), chartBox, legend, said, popup, differing,
    h("div", { class: "row end" }, compareButton));
  metricSelect.style.width = "auto";
  search.style.width = "220px";

  put(element,
    h("div", { class: "head" }, h("div", {}, h("h1", {}, "Runs"), count), trainButton),
    commands,
    h("div", { class: "runs-split" },
      h("section", { class: "card", "aria-label": "List of runs" }, h("header", {}, search, statusChoice), h("div", { class: "scroll runs-list", tabindex: 0, role: "region", "aria-label": "Table of runs" }, table)),
      h("div", { class: "stack" }, chartCard, detail)));
  const chart = curveChart(chartBox, { onclick: clicked });

  // ---- the list -------------------------------------------------------------------------------------------------
  const rows = new Map();

  function shownRuns() {
    return [...runs.values()].reverse()
      .filter((run) => (only === "all" || run.status === only) && run.name.toLowerCase().includes(filter));
  }

  function rowOf(run) {
    let row = rows.get(run.name);
    if (!row) {
      const box = h("input", { type: "checkbox", "aria-label": `Draw the curve of ${run.name}`, onchange: () => { touched = true; mark(run.name, box.checked); } });
      const name = h("button", { type: "button", class: "quiet run-name", onclick: () => { if (!marked.has(run.name)) only1(run.name); else choose(run.name); } });
      row = { box, name, cells: Array.from({ length: 2 }, () => h("td")), node: null, text: "" };
      row.cells[0].className = "number";
      row.node = h("tr", {}, h("td", {}, box), h("th", { scope: "row" }, name), row.cells);
      rows.set(run.name, row);
    }
    const text = JSON.stringify(run);
    if (row.text !== text) {
      row.text = text;
      const share = run.total > 0 ? Math.min(1, run.done / run.total) : 0;
      put(row.name, h("span", { class: "run-env" }, run.env, " ", badge(run)), h("span", { class: "small" }, `${run.algo} · ${run.name.split("/").at(-1)}`));
      put(row.cells[0], h("span", { title: `${run.label}; ${run.over || "no score yet"}` }, scored(run)), run.over && h("br"), run.over && h("small", {}, run.over.split(",")[0].replace("final evaluation", "final")));
      const speed = Number.isFinite(number(run.speed)) && run.status === "running" ? `, ${short(run.speed)}/s` : "";
      const time = run.status === "running" ? (Number.isFinite(number(run.left)) ? `${duration(run.left)} left` : "begins") : `${duration(run.spent)} so far`;
      put(row.cells[1], h("div", { class: "bar", role: "img", "aria-label": `${Math.round(100 * share)} per cent` }, h("span", { style: { width: `${100 * share}%` } })), h("small", {}, `${short(run.done)} of ${short(run.total)} ${run.unit}${speed}`), h("br"), h("small", {}, run.status === "finished" ? `took ${duration(run.spent)}` : time));
    }
    row.box.checked = marked.has(run.name);
    row.node.classList.toggle("current", run.name === current);
    return row.node;
  }

  function list() {
    const all = shownRuns();
    const running = [...runs.values()].filter((run) => run.status === "running").length;
    put(count, runs.size ? `${integer(runs.size)} runs, ${running} running` : "No run yet: train an agent, and its curve appears here.");
    const nodes = all.map(rowOf);
    if (!nodes.length) nodes.push(h("tr", {}, h("td", { colspan: 4, class: "empty" }, runs.size ? "No run has this name and status." : "No run yet.")));
    if (nodes.length !== body.children.length || nodes.some((node, place) => body.children[place] !== node)) put(body, nodes);
    compareButton.disabled = api.readonly || marked.size < 2;
  }

  function mark(name, on) {
    if (on) marked.add(name); else marked.delete(name);
    if (on) current = name; else if (current === name) current = [...marked].at(-1) ?? null;
    list(); curves(); details();
  }
  function only1(name) { marked.clear(); mark(name, true); }
  function choose(name) { current = name; list(); details(); }

  // ---- curves ---------------------------------------------------------------------------------------------------
  let drawn = { curves: [], moments: {} };

  async function curves() {
    again = null;
    popup.hidden = true;
    const names = [...marked].filter((name) => runs.has(name));
    if (!names.length) {
      put(legend); put(differing);
      put(said, "Mark runs in the list to draw their curves over each other.");
      chartBox.hidden = true;
      return;
    }
    asked?.abort();
    asked = new AbortController();
    const query = new URLSearchParams([...names.map((name) => ["run", name]), ["by", by], ["metric", metric]]);
    try {
      drawn = await api.get(`/api/runs/curves?${query}`, { signal: asked.signal });
    } catch (error) {
      if (error.name === "AbortError" || ended) return;
      put(said, h("span", { class: "notice error" }, error.message));
      return;
    }
    if (ended) return;
    draw();
  }

  function draw() {
    const panels = new Set(drawn.curves.map((curve) => curve.panel));
    const first = drawn.curves[0];
    const name = (curve) => (panels.size > 1 ? `${curve.panel}, ${curve.label}` : curve.label);
    const isScore = first.metric in METRICS;
    const kinds = new Set(drawn.curves.map((curve) => METRICS[curve.metric] ?? curve.metric));
    const format = (value) => (first.percent ? `${(100 * value).toPrecision(3)} %` : short(value));
    const each = (curve, timesteps) => moments(curve).find((moment) => moment.timesteps === timesteps);
    const marks = by === "steps" && drawn.curves.flatMap((curve, place) =>
      curve.runs.length === 1 ? moments(curve).map((moment) => ({ curve: place, x: moment.done })) : []);
    const nothing = drawn.curves.every((curve) => !curve.x.length);
    chartBox.hidden = nothing;
    if (!nothing) chart.show({
      curves: drawn.curves.map((curve) => ({ ...curve, label: name(curve), moments: each })),
      xLabel: by === "steps" ? `${first.unit} learnt from` : "wall-clock time, seconds",
      xUnit: by === "steps" ? first.unit : "seconds",
      yLabel: isScore ? (panels.size > 1 ? "score" : first.score_label) : first.metric,
      format, expected: isScore ? drawn.expected : [], marks: marks || [],
    });
    put(legend, drawn.curves.map((curve, place) => h("li", {}, h("span", { class: "key", style: { background: series(place) } }), name(curve),
      h("span", { class: "muted" }, curve.seeds > 1 ? ` mean of ${curve.seeds} seeds` : curve.seeds === 1 ? " one seed" : " nothing measured yet"))));
    const bands = drawn.curves.some((curve) => curve.seeds > 1);
    const expected = isScore && Number.isFinite(number(drawn.expected?.[0] ?? NaN)) ? `, grey: what the recipe expects (${score(drawn.expected[0], first.percent)} to ${score(drawn.expected[1], first.percent)})` : "";
    if (nothing) put(said, "Nothing is measured yet: the first evaluation, or the first episode that ends, begins the curve.");
    else put(said, `${isScore ? [...kinds].join(" and ") : first.metric}${bands ? "; shaded: 95 % interval of the mean over seeds" : "; one seed has no interval"}${expected}. Circles are moments of which an agent is saved: click on the curve to watch it.`);
    const known = new Set(drawn.metrics);
    if ([...metricSelect.options].slice(1).map((option) => option.value).join() !== drawn.metrics.join()) {
      put(metricSelect, h("option", { value: "" }, "Score"), drawn.metrics.map((each) => h("option", { value: each }, METRICS[each] ? `${METRICS[each]} (${each})` : each)));
      metricSelect.value = known.has(metric) ? metric : "";
    }
    differences();
  }

  const moments = (curve) => drawn.moments[curve.runs[0]] ?? [];

  function clicked(curve, x, value) {
    const run = curve.runs[0], saved = moments(curve), state = runs.get(run);
    popup.hidden = false;
    if (!saved.length) { put(popup, `${run} has no saved agent yet.`); return; }
    const target = by === "steps" ? x : null;
    const found = target === null ? saved.at(-1) : saved.reduce((best, each) => (Math.abs(each.done - target) < Math.abs(best.done - target) ? each : best));
    put(popup, h("span", {}, `${run} at ${short(x)} ${by === "steps" ? state?.unit ?? "steps" : "seconds"}: ${significant(value)}. The nearest saved agent (${found.what}) is of ${integer(found.done)} ${state?.unit ?? "steps"}.`), watchLink(run, found));
  }

  const watchLink = (run, moment) => agentLink(drawn.kinds[run], { agent: run, at: moment.timesteps }, "button primary");

  function differences() {
    const names = [...new Set(drawn.curves.flatMap((curve) => curve.runs))].length > 1 ? Object.entries(drawn.differing) : [];
    const order = [...marked].filter((name) => runs.has(name));
    put(differing, names.length > 0 && h("details", { open: order.length <= 6 }, h("summary", {}, `${names.length} setting${names.length > 1 ? "s differ" : " differs"}`),
      h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Settings that differ" }, h("table", {}, h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "setting"), order.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", {}, names.map(([name, values]) => h("tr", {}, h("th", { scope: "row" }, name), values.map((value) => h("td", {}, value || "–")))))))));
  }

  // ---- one run --------------------------------------------------------------------------------------------------
  let detailed = null;

  async function details() {
    const name = current;
    detail.hidden = !name || !runs.has(name);
    if (detail.hidden) return;
    let found = detailed?.name === name ? detailed : null;
    try {
      found = await api.get(`/api/runs/detail?${new URLSearchParams({ run: name })}`);
    } catch (error) {
      if (ended || name !== current) return;
      put(detail, h("div", { class: "notice error" }, error.message));
      return;
    }
    if (ended || name !== current) return;
    detailed = found;
    show(runs.get(name), found);
  }

  function show(run, found) {
    if (!run) return;
    const moments = found.moments;
    const select = h("select", { "aria-label": "Moment of the training" }, moments.map((moment) => h("option", { value: moment.timesteps }, `${moment.what}, ${integer(moment.done)} ${run.unit}`)));
    const best = moments.find((moment) => moment.what === "best") ?? moments.at(-1);
    if (best) select.value = best.timesteps;
    const watch = h("div");
    const target = () => put(watch, agentLink(found.kind, { agent: run.name, at: select.value }, "button primary"));
    select.addEventListener("change", target);
    target();
    put(detail,
      h("header", {}, h("h2", {}, `${run.env}, ${run.algo}`), badge(run)),
      run.failure && h("div", { class: "notice error" }, run.failure),
      run.status === "interrupted" && !run.failure && h("div", { class: "notice warn" }, "This run ended before its end: it was stopped, or its process crashed. It goes on from its last checkpoint."),
      h("dl", { class: "facts" },
        h("dt", {}, "run"), h("dd", {}, run.name),
        h("dt", {}, run.label), h("dd", {}, `${scored(run)} ${run.over ? `(${run.over}${Number.isFinite(number(run.half)) ? ", ± is a 95 % interval" : ""})` : ""}`),
        h("dt", {}, "learnt from"), h("dd", {}, `${integer(run.done)} of ${integer(run.total)} ${run.unit}`),
        h("dt", {}, "time"), h("dd", {}, `${duration(run.spent)}${run.status === "running" ? `, ${duration(run.left)} left` : ""}`),
        h("dt", {}, "started"), h("dd", {}, new Date(run.started).toLocaleString()),
        h("dt", {}, "size"), h("dd", {}, bytes(found.bytes))),
      shares(run),
      moments.length > 0 && h("div", { class: "row" }, h("div", { class: "grow" }, select), watch),
      h("div", { class: "row" },
        run.status === "running"
          ? h("button", { type: "button", class: "danger", disabled: api.readonly, onclick: (event) => stop(run.name, event.target) }, "Save and stop")
          : h("button", { type: "button", disabled: api.readonly || !found.checkpoint, onclick: () => resumeDialog(run) }, run.status === "finished" ? "Train longer" : "Resume")),
      h("details", {}, h("summary", {}, "Settings"), h("pre", {}, found.config)),
      h("details", {}, h("summary", {}, "Command"), h("pre", {}, found.command)),
      h("details", {}, h("summary", {}, "Machine and versions"), h("pre", {}, JSON.stringify(found.machine, null, 2))));
  }

  function shares(run) {
    const parts = Object.entries(run.shares).map(([name, seconds]) => [name, number(seconds)]).filter(([, seconds]) => seconds > 0);
    const total = parts.reduce((sum, [, seconds]) => sum + seconds, 0);
    if (!(total > 0)) return null;
    const text = parts.map(([name, seconds]) => `${name} ${Math.round((100 * seconds) / total)} %`).join(", ");
    return h("div", { class: "stack" }, h("h3", {}, "Where the time goes"),
      h("div", { class: "shares", role: "img", "aria-label": text }, parts.map(([, seconds], place) => h("span", { style: { width: `${(100 * seconds) / total}%`, background: series(place) } }))),
      h("ul", { class: "legend" }, parts.map(([name, seconds], place) => h("li", {}, h("span", { class: "key", style: { background: series(place) } }), `${name} `, h("span", { class: "muted" }, `${Math.round((100 * seconds) / total)} %, ${duration(seconds)}`)))));
  }

  async function stop(name, button) {
    button.disabled = true;
    put(button, "Saving …");
    try {
      await api.post("/api/runs/stop", { run: name });
    } finally {
      if (!ended) details();
    }
  }

  // ---- commands -------------------------------------------------------------------------------------------------
  const closed = new Set();

  function showCommands() {
    const known = [...jobs.values()].filter((job) => !closed.has(job.number)).sort((a, b) => b.number - a.number);
    commands.hidden = !known.length;
    put(commands, h("header", {}, h("h2", {}, "Commands of this page")), known.map((job) => {
      const state = job.code === null ? "running" : job.code === 0 ? "good" : "bad";
      const words = job.code === null ? `running for ${duration(Date.now() / 1000 - job.began)}` : job.code === 0 ? "done" : `ended with exit code ${job.code}`;
      return h("div", { class: "job" },
        h("div", { class: "row apart" }, h("code", {}, job.command), h("div", { class: "row" }, h("span", { class: `badge ${state}` }, words),
          job.verb === "compare" && job.code === 0 && job.comparison && h("a", { class: "button", href: `/api/runs/comparison/${job.comparison}`, target: "_blank", rel: "noopener" }, "Open its page"),
          job.code === null && h("button", { type: "button", disabled: api.readonly, "aria-label": `Stop logpi ${job.verb}, command ${job.number}`, onclick: () => api.post("/api/runs/interrupt", { number: job.number }) }, "Stop"),
          job.code !== null && h("button", { type: "button", class: "quiet", "aria-label": "Hide this command", onclick: () => { closed.add(job.number); showCommands(); } }, "×"))),
        h("details", { open: job.code !== null && job.code !== 0 }, h("summary", {}, job.lines.at(-1) ?? "nothing printed yet"), h("pre", { tabindex: 0 }, job.lines.join("\n"))));
    }));
  }

  async function begin(path, body) {
    const job = await api.post(path, body);
    jobs.set(job.number, { ...jobs.get(job.number), ...job });
    showCommands();
    return job;
  }

  async function compare() {
    compareButton.disabled = true;
    try {
      const job = await begin("/api/runs/compare", { runs: [...marked] });
      commands.scrollIntoView({ block: "nearest" });
      toast(`Comparing ${marked.size} runs; its page opens from the list of commands.`);
      return job;
    } finally {
      list();
    }
  }

  function dialog(title, fields, action, act) {
    const message = h("div", { class: "notice error", role: "alert", hidden: true });
    const go = h("button", { type: "submit", class: "primary" }, action);
    const box = h("dialog", { "aria-label": title }, h("form", {
      class: "stack", onsubmit: async (event) => {
        event.preventDefault();
        go.disabled = true;
        message.hidden = true;
        try { await act(); box.close(); } catch (error) { message.hidden = false; put(message, error.message); } finally { go.disabled = false; }
      },
    }, h("h2", {}, title), fields, message, h("div", { class: "row end" }, h("button", { type: "button", onclick: () => box.close() }, "Cancel"), go)));
    box.addEventListener("close", () => box.remove());
    element.append(box);
    box.showModal();
  }

  async function trainDialog() {
    const known = h("datalist", { id: unique("names") });
    const env = h("input", { value: "CartPole-v1", required: true, list: known.id, autocomplete: "off", spellcheck: "false" });
    const algo = h("select", {}, h("option", { value: "" }, "the recipe's"));
    const steps = h("input", { type: "number", min: 1, placeholder: "the recipe's" });
    const seeds = h("input", { type: "number", min: 1, max: 64, value: 1 });
    const seed = h("input", { type: "number", min: 0, value: 0 });
    const more = h("input", { placeholder: "learning_rate=0.001 n_envs=16", autocomplete: "off", spellcheck: "false" });
    let tasks = [];
    dialog("Train an agent", [field("Environment, image task or game", env), known, field("Method", algo),
      h("div", { class: "pair" }, field("Steps", steps, "environment steps or moves"), field("Seeds", seeds, "independent runs in one program")),
      field("First seed", seed), field("Other settings", more, "NAME=VALUE, as the flags of logpi train")], "Train", async () => {
      const settings = {};
      for (const part of more.value.split(/\s+/).filter(Boolean)) {
        const [name, value] = part.split(/=(.*)/s);
        if (value === undefined) throw new Error(`${part}: write NAME=VALUE`);
        settings[name.replaceAll("-", "_").replace(/^_+/, "")] = value === "true" ? true : value === "false" ? false : value;
      }
      const length = tasks.find((task) => task.name === env.value)?.kind === "ram" ? "total_images" : "total_timesteps";
      await begin("/api/runs/start", { env: env.value.trim(), algo: algo.value, [length]: steps.value, seeds: seeds.value, seed: seed.value, settings });
      expecting = { env: env.value.trim(), until: Date.now() + 120000 };
      toast("The training starts; its curve appears with its first row.");
    });
    const names = await api.get("/api/runs/names");
    tasks = names.tasks;
    put(known, tasks.map((task) => h("option", { value: task.name })));
    put(algo, h("option", { value: "" }, "the recipe's"), names.methods.map((method) => h("option", { value: method.name }, `${method.name}: ${method.about}`.slice(0, 90))));
  }

  let expecting = null;

  function resumeDialog(run) {
    const length = h("input", { type: "number", min: 1, placeholder: run.status === "finished" ? "more than it has" : "as it was", required: run.status === "finished" });
    const name = run.unit === "images" ? "total_images" : "total_timesteps";
    dialog(run.status === "finished" ? "Train longer" : "Resume", [h("p", { class: "muted" }, `${run.name} has learnt from ${integer(run.done)} ${run.unit}.`), field(`New length in ${run.unit}, those so far included`, length)],
      "Go on", () => begin("/api/runs/resume", { run: run.name, [name]: length.value }));
  }

  // ---- events ---------------------------------------------------------------------------------------------------
  function hear(event) {
    if (event.job) { jobs.set(event.job.number, { ...jobs.get(event.job.number), ...event.job }); showCommands(); return; }
    if (event.all) {
      runs.clear();
      for (const job of event.jobs) jobs.set(job.number, { ...jobs.get(job.number), ...job });
      showCommands();
    }
    for (const run of event.runs) runs.set(run.name, run);
    for (const name of event.gone) { runs.delete(name); rows.delete(name); if (marked.delete(name)) toast(`The run folder ${name} is gone.`); }
    if (expecting && Date.now() < expecting.until) {
      const fresh = !event.all && event.runs.find((run) => run.env === expecting.env && run.status === "running" && !rows.has(run.name));
      if (fresh) { expecting = null; list(); only1(fresh.name); return; }
    }
    if (!touched && !marked.size && runs.size) {
      const all = [...runs.values()];
      list();
      only1((all.findLast((run) => Number.isFinite(number(run.score))) ?? all.at(-1)).name);
      return;
    }
    list();
    const changed = new Set([...event.runs.map((run) => run.name), ...event.gone]);
    if (event.all || [...marked].some((name) => changed.has(name))) again ??= setTimeout(curves, event.all ? 0 : 300);
    if (current && (changed.has(current) || event.all)) details();
  }

  list();
  curves();
  const close = api.events("/api/runs/events", hear);
  return () => {
    ended = true;
    close();
    clearTimeout(again);
    asked?.abort();
    chart.destroy();
  };
}

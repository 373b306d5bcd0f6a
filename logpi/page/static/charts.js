// Curves with bands over seeds, by uPlot. Every axis has a label with its unit.

import uPlot from "./vendor/uPlot.esm.js";
import { colour, h, put, series as seriesColour } from "./dom.js";
import { number, short, significant } from "./format.js";

const HEIGHT = 340;

/** Data of several curves with x of their own on one x: [x, mean, low, high, mean, low, high, …]. */
function joined(curves) {
  const xs = [...new Set(curves.flatMap((curve) => curve.x))].sort((a, b) => a - b);
  const place = new Map(xs.map((x, k) => [x, k]));
  const columns = [xs];
  for (const curve of curves) {
    for (const name of ["mean", "low", "high"]) {
      const column = new Array(xs.length).fill(null);
      (curve[name] ?? []).forEach((value, k) => {
        const known = number(value);
        if (Number.isFinite(known)) column[place.get(curve.x[k])] = known;
      });
      columns.push(column);
    }
  }
  return columns;
}

/** The range of an axis: what curves need, and of their bands as much as leaves them half of the height. */
function range(curves, expected) {
  const finite = (values) => (values ?? []).map(number).filter(Number.isFinite);
  const means = [...curves.flatMap((curve) => finite(curve.mean)), ...finite(expected)];
  if (!means.length) return [0, 1];
  let low = means.reduce((a, b) => Math.min(a, b)), high = means.reduce((a, b) => Math.max(a, b));
  const margin = 0.06 * (high - low) || 0.05 * Math.max(Math.abs(high), 1);
  const room = (high - low) / 2;
  const ends = curves.flatMap((curve) => [...finite(curve.low), ...finite(curve.high)]);
  if (ends.length) {
    low = Math.max(low - room, Math.min(low, ends.reduce((a, b) => Math.min(a, b))));
    high = Math.min(high + room, Math.max(high, ends.reduce((a, b) => Math.max(a, b))));
  }
  return [low - margin, high + margin];
}

/**
 * A chart inside `element`. show({curves, xLabel, yLabel, format, expected, marks}) draws; curves are
 * {label, x, mean, low?, high?}, marks are x values of a curve: {curve, x}. onclick(curve, x, value) hears of clicks.
 */
export function curveChart(element, { onclick = null, height = HEIGHT } = {}) {
  const box = h("div", { class: "chart", role: "img" });
  const tip = h("div", { class: "chart-tip", hidden: true, "aria-hidden": "true" });
  put(element, h("div", { class: "chart-frame" }, box, tip));
  let plot = null, shown = null, shape = "";

  const width = () => Math.max(240, Math.floor(box.clientWidth || element.clientWidth || 600));

  function nearest(u) {
    const { idx, top } = u.cursor;
    if (idx === null || idx === undefined) return null;
    let found = null;
    shown.curves.forEach((curve, place) => {
      if (!curve.x.length) return;
      const x = u.posToVal(u.cursor.left, "x");
      let k = 0;
      while (k + 1 < curve.x.length && Math.abs(curve.x[k + 1] - x) <= Math.abs(curve.x[k] - x)) k++;
      const value = number(curve.mean[k]);
      if (!Number.isFinite(value)) return;
      const distance = Math.abs(u.valToPos(value, "y") - top);
      if (!found || distance < found.distance) found = { place, curve, x: curve.x[k], value, distance };
    });
    return found;
  }

  function point(u) {
    const found = u.cursor.left >= 0 ? nearest(u) : null;
    tip.hidden = !found;
    if (!found) return;
    put(tip, h("b", {}, found.curve.label), ` ${shown.format(found.value)}`, h("br"), `${short(found.x)} ${shown.xUnit}`);
    const left = u.bbox.left / devicePixelRatio + u.valToPos(found.x, "x");
    const top = u.bbox.top / devicePixelRatio + u.valToPos(found.value, "y");
    Object.assign(tip.style, {
      left: `${Math.min(Math.max(left, 60), box.clientWidth - 60)}px`, top: `${Math.max(top - 12, 40)}px`,
      borderColor: seriesColour(found.place),
    });
  }

  function marks(u) {
    const { ctx } = u;
    ctx.save();
    for (const mark of shown.marks ?? []) {
      const curve = shown.curves[mark.curve];
      if (!curve?.x.length || mark.x < curve.x[0]) continue;
      let k = curve.x.findIndex((x) => x >= mark.x);
      if (k < 0) k = curve.x.length - 1;
      const value = number(curve.mean[k]);
      if (!Number.isFinite(value)) continue;
      ctx.beginPath();
      ctx.arc(u.valToPos(Math.min(mark.x, curve.x.at(-1)), "x", true), u.valToPos(value, "y", true), 4 * devicePixelRatio, 0, 7);
      ctx.fillStyle = colour("--surface");
      ctx.strokeStyle = seriesColour(mark.curve);
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  }

  function expectedBand(u) {
    const [low, high] = (shown.expected ?? []).map(number);
    if (!Number.isFinite(low) || !Number.isFinite(high)) return;
    const { ctx, bbox } = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.fillStyle = colour("--edge");
    ctx.globalAlpha = 0.16;
    const top = u.valToPos(high, "y", true);
    ctx.fillRect(bbox.left, top, bbox.width, u.valToPos(low, "y", true) - top);
    ctx.restore();
  }

  function build() {
    plot?.destroy();
    const ink = colour("--muted"), line = colour("--line"), font = "12px system-ui, sans-serif";
    const axis = (label, size, format) => ({
      label, font, labelFont: font, stroke: ink, labelSize: 20, size, ticks: { stroke: line, size: 5 },
      grid: { stroke: line, width: 1 }, values: (u, values) => values.map((value) => (value === null ? "" : format(value))),
    });
    const options = {
      width: width(), height, legend: { show: false }, padding: [10, 14, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
      scales: { x: { time: false, range: (u, low, high) => [0, high > 0 ? high * 1.01 : 1] }, y: { range: () => range(shown.curves, shown.expected) } },
      axes: [axis(shown.xLabel, 34, short), axis(shown.yLabel, 56, shown.format ?? significant)],
      series: [{}], bands: [], hooks: { setCursor: [point], draw: [marks], drawAxes: [expectedBand] },
    };
    shown.curves.forEach((curve, place) => {
      const stroke = seriesColour(place), at = 3 * place + 1;
      options.series.push(
        { stroke, width: 2, spanGaps: true, points: { show: curve.x.length < 2, size: 7, fill: stroke }, dash: place >= 8 ? [8, 4] : undefined },
        { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } },
        { stroke: "transparent", width: 0, spanGaps: true, points: { show: false } });
      options.bands.push({ series: [at + 2, at + 1], fill: `${stroke}2e` });
    });
    put(box);
    plot = new uPlot(options, joined(shown.curves), box);
    plot.over.addEventListener("click", () => {
      const found = onclick && nearest(plot);
      if (found) onclick(found.curve, found.x, found.value, found.place);
    });
    if (onclick) plot.over.style.cursor = "pointer";
  }

  function show(next) {
    shown = { format: significant, xUnit: "", ...next };
    const last = shown.curves.map((curve) => `${curve.label}: ${curve.x.length ? shown.format(number(curve.mean.at(-1))) : "nothing yet"}`);
    box.setAttribute("aria-label", `${shown.yLabel} against ${shown.xLabel}. Newest values: ${last.join("; ")}`);
    const now = JSON.stringify([shown.curves.map((curve) => [curve.label, curve.x.length < 2]), shown.xLabel, shown.yLabel]);
    if (!plot || now !== shape) build();
    else plot.setData(joined(shown.curves));
    shape = now;
  }

  const resized = new ResizeObserver(() => { if (plot && width() !== plot.width) plot.setSize({ width: width(), height }); });
  resized.observe(box);
  const recolour = () => { if (shown) build(); };
  window.addEventListener("logpi-theme", recolour);

  return {
    show,
    destroy() {
      resized.disconnect();
      window.removeEventListener("logpi-theme", recolour);
      plot?.destroy();
      plot = null;
    },
  };
}

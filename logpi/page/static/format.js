// Numbers and times as people read them. JSON lacks NaN and infinities: the server writes "nan", "inf", "-inf".

export function number(value) {
  if (typeof value === "number") return value;
  return { nan: NaN, inf: Infinity, "-inf": -Infinity }[value] ?? NaN;
}

/** Three significant digits, all before the point among them: 12,345, 87.2, 0.0342. */
export function significant(value, digits = 3) {
  value = number(value);
  if (Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(digits - 1).replace("-", "−");
  const exponent = value === 0 ? 0 : Number(value.toExponential(digits - 1).split("e")[1]);
  const decimals = Math.max(0, Math.min(digits - 1 - exponent, 20));
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }).replace("-", "−");
}

export function score(value, percent) {
  return percent ? `${(100 * number(value)).toFixed(2)} %` : significant(value);
}

export const integer = (value) => Number.isFinite(number(value)) ? Math.round(number(value)).toLocaleString("en").replace("-", "−") : "–";

/** A number on an axis: 950, 12.5k, 3M. */
export function short(value) {
  value = number(value);
  if (!Number.isFinite(value)) return "–";
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (Math.abs(value) >= size) return `${Number((value / size).toPrecision(3))}${unit}`.replace("-", "−");
  }
  return `${Number(value.toPrecision(3))}`.replace("-", "−");
}

/** Seconds: 0.8 s, 42 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds) {
  seconds = number(seconds);
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

export function bytes(size) {
  for (const unit of ["B", "kB", "MB", "GB"]) {
    if (Math.abs(size) < 999.5) return `${Number(size.toPrecision(3))} ${unit}`;
    size /= 1000;
  }
  return `${Number(size.toPrecision(3))} TB`;
}

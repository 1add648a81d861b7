// Axes: where a value lies between 0 and 1, and which values deserve a tick.

const steps = [1, 2, 5, 10];

function spread(values) {
  const known = values.filter((v) => v != null && Number.isFinite(v));
  return known.length ? [Math.min(...known), Math.max(...known)] : [0, 1];
}

export function linear(values, count = 4) {
  let [low, high] = spread(values);
  if (low === high) [low, high] = [low - (Math.abs(low) || 1) * 0.1, high + (Math.abs(high) || 1) * 0.1];
  const rough = (high - low) / count;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = unit * steps.find((s) => s * unit >= rough * 0.999);
  const from = Math.floor(low / step) * step, to = Math.ceil(high / step) * step;
  const ticks = [];
  for (let i = 0; from + i * step <= to + step / 1e6; i++) ticks.push(Number((from + i * step).toPrecision(10)));
  return { at: (v) => (v - from) / (to - from), ticks, log: false };
}

/** Logarithmic where the values span enough to need it, else linear. */
export function log(values) {
  const [low, high] = spread(values);
  if (!(low > 0) || high / low < 20) return linear(values);
  const from = Math.log10(low) - 0.04, to = Math.log10(high) + 0.04;
  const wanted = to - from > 3.2 ? [1] : to - from > 1.7 ? [1, 3] : [1, 2, 5];
  const ticks = [];
  for (let power = Math.floor(from); power <= Math.ceil(to); power++)
    for (const s of wanted) {
      const tick = Number((s * 10 ** power).toPrecision(6));
      if (Math.log10(tick) >= from && Math.log10(tick) <= to) ticks.push(tick);
    }
  return { at: (v) => (Math.log10(Math.max(v, 1e-12)) - from) / (to - from), ticks, log: true };
}

/** [seconds, label] of ticks on a time axis of `length` seconds. */
export function timeTicks(length, width) {
  const wanted = length / Math.max(3, Math.floor(width / 90));
  const units = [0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 43200, 86400];
  const step = units.find((u) => u >= wanted) || Math.ceil(wanted / 86400) * 86400;
  const ticks = [];
  for (let s = 0; s <= length * 0.985; s += step) ticks.push([s, label(s, step)]);
  return ticks;
}

function label(s, step) {
  if (s === 0) return "0";
  if (step < 60 && s < 120) return `${s} s`;
  if (s < 7200) return s % 60 ? `${Math.floor(s / 60)} min ${s % 60} s` : `${s / 60} min`;
  return s % 3600 ? `${Math.floor(s / 3600)} h ${Math.round((s % 3600) / 60)} min` : `${s / 3600} h`;
}

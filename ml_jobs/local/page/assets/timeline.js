// A run on one time line: attempts as bands, the metric as a line for each, and what happened below.
// Pointer and arrow keys move the same cursor; what it stands on is said in words.

import { h } from "./dom.js";
import { clock, ms, plural, span, value, words } from "./format.js";
import { linear, log, timeTicks } from "./scale.js";

const NAMES = {
  submitted: "Submitted", queued: "Queued", notice: "Preemption notice", preempted: "Preempted", interrupted: "Interrupted", checkpoint: "Checkpoint",
  resumed: "Resumed", lost: "Work lost", registered: "Registered", failed: "Failed", stopped: "Stopped", succeeded: "Succeeded",
};
const SHAPES = {
  checkpoint: "M0-3.2A3.2 3.2 0 1 0 0 3.2A3.2 3.2 0 1 0 0-3.2Z", preempted: "M-5.5-5H5.5L0 5Z", interrupted: "M-5.5-5H5.5L0 5Z", resumed: "M-4.5-5.5L5.5 0L-4.5 5.5Z", notice: "M0-5A5 5 0 1 0 0 5A5 5 0 1 0 0-5Z",
  registered: "M0-6L6 0L0 6L-6 0Z", succeeded: "M-5.5 0L-1.5 4L5.5-4.5", failed: "M-4.5-4.5L4.5 4.5M4.5-4.5L-4.5 4.5", stopped: "M-4.5-4.5H4.5V4.5H-4.5Z",
};
const LEGEND = ["checkpoint", "notice", "preempted", "interrupted", "resumed", "registered"];
const ENDS = new Set(["succeeded", "failed", "stopped"]); // drawn behind the line's end, where others crowd
const cursor = { run: null, id: null };

function detail(mark) {
  switch (mark.type) {
    case "checkpoint":
      return `step ${mark.step}, saved in ${ms(mark.save_s)}, held the run up for ${ms(mark.blocked_s)}`;
    case "resumed":
      return `from step ${mark.step}, loaded in ${ms(mark.load_s)}${mark.passed_over?.length ? `, passed over ${plural(mark.passed_over.length, "bad checkpoint")}` : ""}`;
    case "notice": case "preempted":
      return `slot ${mark.slot ?? "–"}, ${mark.notice_s ? `${span(mark.notice_s)} of notice` : "without notice"}`;
    case "lost":
      return `${plural(mark.steps || 0, "step")} to do again, ${span(mark.seconds)}`;
    case "registered":
      return `${mark.model} v${mark.version}`;
    case "queued": case "interrupted": return mark.reason || "";
    case "failed": return [mark.exit_code != null ? `exit code ${mark.exit_code}` : "", mark.message || ""].filter(Boolean).join(", ");
    case "stopped": return [mark.by ? `by ${mark.by}` : "", mark.reason || ""].filter(Boolean).join(", ");
    default: return "";
  }
}

/** Everything that the cursor can stand on, in time order: {id, at, title, detail, mark|point|attempt}. */
export function stops(run, metric) {
  const found = run.marks.map((mark, i) => ({ id: `m${mark.at}-${mark.type}`, at: mark.at, title: NAMES[mark.type] || mark.type, detail: detail(mark), mark }));
  for (const attempt of run.attempts) {
    found.push({ id: `a${attempt.from}`, at: attempt.from, title: `Attempt ${attempt.n} started`, detail: `${attempt.is_spot ? "spot" : "on demand"}, slot ${attempt.slot ?? "–"}`, attempt });
  }
  if (metric) for (const point of run.points) {
    if (point.values[metric] != null) found.push({ id: `p${point.at}-${point.step}`, at: point.at, title: `Step ${point.step}`, detail: `${words(metric)} ${value(point.values[metric])}`, point });
  }
  return found.sort((a, b) => a.at - b.at || (a.point ? 1 : 0) - (b.point ? 1 : 0));
}

export function timeline(run, metric, { now, end, start, redraw }) {
  const holder = document.querySelector("#run .chosen");
  const width = Math.max(260, Math.floor((holder?.clientWidth || 900)));
  const tall = width > 620;
  const box = { left: 46, right: width - 24, top: 26, bottom: tall ? 236 : 186 };
  const lanes = [box.bottom + 18, box.bottom + 38];
  const height = box.bottom + 72;
  const points = run.points.filter((point) => point.values[metric] != null);
  const first = run.attempts[0].from;
  const t1 = Math.max(end || now, points.at(-1)?.at || 0, run.marks.at(-1)?.at || 0, first + 1);
  const asked = Math.min(start || first, run.marks[0]?.at ?? Infinity);
  const isLong = first - asked > (t1 - first) / 3; // a long wait in the queue must not squeeze the run
  const t0 = isLong ? first - (t1 - first) * 0.04 : asked;
  const zero = isLong ? first : asked;
  const x = (at) => box.left + (Math.max(0, at - t0) / (t1 - t0)) * (box.right - box.left);
  const since = (at) => (at < zero ? `${span(zero - at)} before its start` : `${span(at - zero)} in`);
  const scale = (metric || "").includes("loss") ? log(points.map((p) => p.values[metric])) : linear(points.map((p) => p.values[metric]));
  const y = (v) => box.bottom - scale.at(v) * (box.bottom - box.top - 8);
  const all = stops(run, metric);
  if (cursor.run !== run.id) Object.assign(cursor, { run: run.id, id: null });
  const here = all.find((stop) => stop.id === cursor.id) || null;

  const move = (stop) => { cursor.id = stop?.id ?? null; redraw(); };
  const onkeydown = (event) => {
    const at = here ? all.indexOf(here) : -1;
    const marks = all.filter((stop) => !stop.point);
    const to = {
      ArrowRight: () => all[Math.min(all.length - 1, at + 1)], ArrowUp: () => all[Math.min(all.length - 1, at + 1)],
      ArrowLeft: () => all[Math.max(0, at < 0 ? all.length - 1 : at - 1)], ArrowDown: () => all[Math.max(0, at - 1)],
      Home: () => all[0], End: () => all.at(-1),
      PageDown: () => marks.find((stop) => all.indexOf(stop) > at) || here,
      PageUp: () => marks.findLast((stop) => all.indexOf(stop) < (at < 0 ? Infinity : at)) || here,
      Escape: () => null,
    }[event.key];
    if (!to || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move(to());
  };
  const onpointermove = (event) => {
    const bounds = event.currentTarget.getBoundingClientRect();
    const px = event.clientX - bounds.left, py = event.clientY - bounds.top;
    const pool = py > box.bottom + 6 ? all.filter((stop) => stop.mark) : all.filter((stop) => stop.point || stop.attempt || stop.mark?.type !== "checkpoint");
    let best = null, far = Infinity;
    for (const stop of pool) {
      const d = Math.abs(x(stop.at) - px) - (stop.point ? 0 : 3);
      if (d < far) [best, far] = [stop, d];
    }
    if (best?.id !== cursor.id) move(best);
  };
  const summary = `Time line of ${run.id}: ${plural(run.attempts.length, "attempt")}, ${plural(run.counts.preempted || 0, "preemption")}, ${plural(run.counts.checkpoint || 0, "checkpoint")}` +
    (points.length ? `; ${words(metric)} from ${value(points[0].values[metric])} to ${value(points.at(-1).values[metric])}` : "") + ".";

  return h("figure", { class: "timeline", key: `line-${run.id}` },
    h("div", {
      class: "plot", tabindex: 0, role: "slider", "aria-label": `${summary} Arrow keys move, Page Up and Page Down go from event to event`,
      "aria-valuemin": 0, "aria-valuemax": Math.round(t1 - t0), "aria-valuenow": here ? Math.max(0, Math.round(here.at - t0)) : 0,
      "aria-valuetext": here ? `${since(here.at)}: ${here.title}, ${here.detail}` : "start",
      onkeydown, onpointermove, onpointerdown: onpointermove, onpointerleave: () => cursor.id && move(null), onblur: () => cursor.id && move(null),
    },
    h("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" },
      bands(run, x, box, t1),
      points.length ? null : h("text", { x: (box.left + box.right) / 2, y: (box.top + box.bottom) / 2, "text-anchor": "middle" }, "nothing was measured"),
      (points.length ? scale.ticks : []).map((tick) => h("g", { key: `y${tick}`, class: "tick" },
        h("line", { x1: box.left, x2: box.right, y1: y(tick), y2: y(tick) }),
        h("text", { x: box.left - 8, y: y(tick) + 4, "text-anchor": "end" }, value(tick).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "")))),
      timeTicks(t1 - zero, width).map(([s, label]) => h("g", { key: `x${s}`, class: "tick time" },
        h("line", { x1: x(zero + s), x2: x(zero + s), y1: lanes[1] + 11, y2: lanes[1] + 15 }),
        h("text", { x: x(zero + s), y: height - 5, "text-anchor": s === 0 ? "start" : "middle" }, label))),
      h("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
      h("line", { class: "axis", x1: box.left, x2: box.right, y1: lanes[1] + 11, y2: lanes[1] + 11 }),
      run.marks.filter((m) => ["preempted", "interrupted", "resumed"].includes(m.type)).map((m) =>
        h("line", { key: `v${m.at}${m.type}`, class: `when ${m.type}`, x1: x(m.at), x2: x(m.at), y1: box.top, y2: lanes[1] - 6 })),
      paths(run, points, metric, x, y),
      run.marks.filter((m) => SHAPES[m.type]).map((m) =>
        h("path", { key: `s${m.at}${m.type}`, class: `mark ${m.type}`, d: SHAPES[m.type], transform: `translate(${(x(m.at) + (ENDS.has(m.type) ? 14 : 0)).toFixed(1)} ${lanes[m.type === "checkpoint" ? 0 : 1]})` })),
      here ? h("g", { class: "cursor", key: "cursor" },
        h("line", { x1: x(here.at), x2: x(here.at), y1: box.top, y2: lanes[1] + 11 }),
        here.point ? h("circle", { cx: x(here.at), cy: y(here.point.values[metric]), r: 4.5 }) : null) : null),
    here ? h("div", { class: "tip", key: "tip", vars: { "--x": `${Math.min(Math.max(x(here.at), 96), width - 96)}px` } },
      h("b", {}, here.title), here.detail ? h("span", {}, here.detail) : null,
      h("small", {}, `${since(here.at)}, ${clock(here.at)}`)) : null),
    h("figcaption", {},
      h("span", { class: "what" }, metric ? `${words(metric)}${scale.log ? ", log scale" : ""}` : ""),
      h("span", { class: "key band spot" }, "spot"), h("span", { class: "key band demand" }, "on demand"),
      run.lost.steps ? h("span", { class: "key" }, h("svg", { width: 18, height: 14, viewBox: "0 0 18 14", "aria-hidden": "true" },
        h("path", { class: "line gone", d: "M1 7H17" })), "work lost") : null,
      LEGEND.filter((type) => run.counts[type]).map((type) => h("span", { class: "key", key: type },
        h("svg", { width: 14, height: 14, viewBox: "-7 -7 14 14", "aria-hidden": "true" }, h("path", { class: `mark ${type}`, d: SHAPES[type] })),
        NAMES[type].toLowerCase()))));
}

function bands(run, x, box, t1) {
  return run.attempts.map((attempt) => {
    const from = x(attempt.from), wide = Math.max(1.5, x(attempt.to ?? t1) - from);
    const kind = attempt.is_spot ? "spot" : "on demand";
    const label = wide > 120 ? `attempt ${attempt.n}, ${kind}` : wide > 66 ? `${attempt.n}, ${kind}` : wide > 14 ? `${attempt.n}` : "";
    return h("g", { key: `b${attempt.from}`, class: `band ${attempt.is_spot ? "spot" : "demand"}` },
      h("rect", { x: from, y: box.top, width: wide, height: box.bottom - box.top }),
      h("rect", { class: "cap", x: from, y: box.top - 3, width: wide, height: 3 }),
      h("text", { x: from + 2, y: box.top - 9 }, label));
  });
}

/** A line for each attempt; what a later attempt had to do again is drawn apart. */
function paths(run, points, metric, x, y) {
  const lines = new Map();
  for (const point of points) {
    const gone = point.step > kept(run, point.attempt);
    const name = `${point.attempt}${gone ? "gone" : ""}`;
    const at = `${x(point.at).toFixed(1)} ${y(point.values[metric]).toFixed(1)}`;
    const before = gone && !lines.has(name) ? lines.get(`${point.attempt}`)?.split(/[ML]/).at(-1) : null;
    lines.set(name, lines.has(name) ? `${lines.get(name)}L${at}` : before ? `M${before}L${at}` : `M${at}`);
  }
  return [...lines].map(([name, d]) =>
    h("path", { key: `l${name}`, class: name.endsWith("gone") ? "line gone" : "line", d: d.includes("L") ? d : `${d}h.1` }));
}

/** The last step of an attempt that counts: where the next one that resumed went on from. */
function kept(run, attempt) {
  const next = run.attempts[attempt];
  if (!next) return Infinity;
  const resumed = run.marks.find((mark) => mark.type === "resumed" && mark.at >= next.from && mark.at <= (next.to ?? Infinity));
  return resumed ? resumed.step : Infinity;
}

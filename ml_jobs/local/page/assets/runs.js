// The runs, and the chosen one: its facts and its time line.

import { h } from "./dom.js";
import { chip, code, empty, facts, table } from "./common.js";
import { clock, number, percent, plural, span, usd, value, when, words } from "./format.js";
import { stops, timeline } from "./timeline.js";

export function runs(data, state, choose, redraw) {
  if (!data.jobs.length && !data.run) return empty("Nothing has run yet. Train the sample model:", "skywright train digits");
  const chosen = data.run?.id;
  return h("div", { class: "runs" },
    h("ul", { class: "runlist", "aria-label": "Runs, newest first" }, data.jobs.map((job) =>
      h("li", { key: job.id }, h("button", {
        type: "button", "aria-pressed": String(job.id === chosen), onclick: () => choose(job.id),
      },
      h("span", { class: "line" }, h("b", {}, job.id), chip(job.state)),
      h("span", { class: "line dim" }, when(job.started_at || job.submitted_at, data.now),
        h("span", {}, job.preemptions ? plural(job.preemptions, "preemption") : job.team)))))),
    h("div", { class: "chosen" }, data.run ? one(data, state, redraw) : null));
}

function one(data, state, redraw) {
  const { run } = data;
  const job = run.job;
  if (!job) return empty(run.why ? `${run.why[0].toUpperCase()}${run.why.slice(1)}.` : "This run is not known.", "skywright runs list");
  const last = run.points.at(-1);
  const metric = run.metrics.includes(state.metric) ? state.metric : run.metrics[0];
  const end = job.ended_at || data.now;
  return [
    h("div", { class: "head" },
      h("h3", {}, run.id, chip(job.state)),
      run.metrics.length > 1 ? h("label", { class: "pick" }, "Show ", h("select", {
        onchange: (event) => { state.metric = event.target.value; redraw(); },
      }, run.metrics.map((name) => h("option", { key: name, value: name, selected: name === metric }, words(name))))) : null),
    run.why && data.sources.scheduler.ok ? h("p", { class: "old" }, `${run.why}; what is shown may be old.`) : null,
    job.message ? h("p", { class: job.state === "failed" ? "said bad" : "said" }, job.message) : null,
    run.attempts.length
      ? timeline(run, metric, { now: data.now, end: job.ended_at, start: job.submitted_at, redraw })
      : empty(job.state === "queued" ? "Waiting for a slot. Why, and what is free:" : "It never started. Why:", `skywright runs show ${run.id}`),
    facts([
      [metric ? words(metric) : "loss", value(last?.values[metric])],
      ["step", number(last?.step)],
      ["time", job.started_at ? span(end - job.submitted_at) : "–"],
      ["attempts", number(job.attempts)],
      ["preemptions", number(job.preemptions)],
      ["checkpoints", number(run.counts.checkpoint || 0)],
      ["work lost", run.lost.steps || run.lost.seconds ? `${plural(run.lost.steps, "step")}, ${span(run.lost.seconds)}` : "none"],
      ["goodput", percent(job.goodput)],
      ["cost", usd(job.cost_usd)],
      ["ranks", number(job.ranks)],
      job.model ? ["registered", `${job.model.name} v${job.model.version}`] : null,
    ]),
    run.marks.length ? events(run, data) : null,
  ];
}

function events(run, data) {
  const start = run.marks[0].at;
  const rows = stops(run, null).filter((stop) => stop.mark || stop.attempt);
  return h("details", {}, h("summary", {}, `All ${number(rows.length)} events`),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Events of the run" },
      table(`Events of ${run.id}, oldest first`, [
        { head: "After", cell: (row) => span(row.at - start) },
        { head: "At", cell: (row) => h("time", { datetime: new Date(row.at * 1000).toISOString() }, clock(row.at)) },
        { head: "What", cell: (row) => row.title },
        { head: "More", kind: "grow", cell: (row) => row.detail },
      ], rows, (row) => row.id)));
}

// The one line that answers: is all well?

import { h } from "./dom.js";
import { ms, percent, plural, rate, usd, value } from "./format.js";
import { firing } from "./watch.js";

const tile = (href, name, main, rest, tone) =>
  h("a", { href, key: name, class: `tile ${tone || ""}` },
    h("span", { class: "name" }, name), h("span", { class: "main" }, main), h("span", { class: "rest" }, rest));

export function glance(data) {
  const { budget, jobs, slots } = data;
  const running = jobs.filter((job) => ["running", "stopping"].includes(job.state));
  const shown = data.run?.job;
  const run = running.length && !running.some((job) => job.id === shown?.id) ? running[0] : shown;
  const last = run && run === shown ? data.run.points.at(-1) : null;
  const busy = slots.filter((slot) => slot.job).length;
  const traffic = data.releases.reduce((sum, r) => sum + (r.request_rate || 0), 0);
  const served = data.releases.filter((r) => r.weight_percent > 0);
  const worst = Math.max(...served.map((r) => r.p99_s ?? -1), -1);
  const asked = data.releases.filter((r) => r.error_ratio != null && r.request_rate);
  const errors = asked.reduce((sum, r) => sum + r.error_ratio * r.request_rate, 0) / (traffic || 1);
  const alarms = firing(data);
  const spent = budget?.limit_usd ? budget.spent_usd / budget.limit_usd : null;
  const holds = budget?.holds.length || 0;
  return [
    tile("#run", "Runs", running.length ? `${running.length} running` : run ? run.state : "none yet",
      run ? [last?.values.loss != null ? `loss ${value(last.values.loss)} at step ${last.step}` : run.id,
        run.preemptions ? `, ${plural(run.preemptions, "preemption")}` : ""] : "nothing has run",
      run?.state === "failed" && !running.length ? "bad" : ""),
    tile("#releases", "Traffic", served.length ? rate(traffic) : "nothing released",
      served.length ? `p99 ${worst < 0 ? "–" : ms(worst)}, errors ${asked.length ? percent(errors) : "–"}` : "answers 503 until a release",
      errors > 0.01 || data.unanswered_rate ? "bad" : ""),
    tile("#budget", "Spend", usd(budget?.spent_usd),
      [spent == null ? "no limit set" : `${percent(spent)} of ${usd(budget.limit_usd)}`, holds ? `, ${plural(holds, "hold")}` : ""],
      spent >= 1 ? "bad" : holds || spent >= 0.8 ? "warn" : ""),
    tile("#slots", "Slots", `${busy} of ${slots.length} busy`, data.queue.length ? `${plural(data.queue.length, "job")} waiting` : "nobody waits"),
    tile("#alarms", "Alarms", alarms.length ? `${alarms.length} firing` : "none firing",
      alarms.length ? alarms.map((a) => a.name).join(", ") : "all rules hold",
      alarms.some((a) => a.severity !== "warning") ? "bad" : alarms.length ? "warn" : ""),
  ];
}

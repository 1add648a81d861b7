// Capacity and who waits for it.

import { h } from "./dom.js";
import { chip, empty, table } from "./common.js";
import { clock, span, usd, when } from "./format.js";

export function slots(data) {
  if (!data.slots.length) return empty("This stack has no pools. Add one to the stack's file, then:", "skywright up");
  const waiting = data.queue.map((id) => data.jobs.find((job) => job.id === id) || { id });
  return [
    table("Slots", [
      { head: "Slot", cell: (s) => [h("b", {}, s.id), h("small", {}, s.is_spot ? "spot" : "on demand")] },
      { head: "State", cell: (s) => [chip(s.state), s.until ? h("small", {}, s.state === "notice" ? `goes at ${clock(s.until)}` : `until ${clock(s.until)}`) : null] },
      { head: "Job", kind: "job", cell: (s) => s.job ? h("span", { class: "mono" }, s.job) : h("span", { class: "dim" }, "–") },
      { head: "Price", num: true, cell: (s) => s.usd_per_hour == null ? "–" : `${usd(s.usd_per_hour)}/h` },
    ], data.slots, (s) => s.id),
    h("h3", {}, "Queue"),
    waiting.length ? h("ol", { class: "queue" }, waiting.map((job) => h("li", { key: job.id },
      h("span", { class: "mono" }, job.id), h("span", { class: "dim" }, job.submitted_at ? [`waits ${span(data.now - job.submitted_at)}`, job.priority ? `, priority ${job.priority}` : ""] : ""))))
      : h("p", { class: "empty" }, "Nobody waits."),
  ];
}

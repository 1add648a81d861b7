// Capacity and who waits for it.

import { h } from "./dom.js";
import { chip, empty, table } from "./common.js";
import { clock, span, usd } from "./format.js";

export function slots(data) {
  if (!data.slots.length) return empty("This stack has no pools. Add one to the stack's file, then:", "skywright up");
  return [
    table("Slots", [
      { head: "Slot", cell: (s) => [h("b", {}, s.id), h("small", {}, s.is_spot ? "spot" : "on demand")] },
      { head: "State", cell: (s) => [chip(s.state), s.until ? h("small", {}, s.state === "notice" ? `goes at ${clock(s.until)}` : `until ${clock(s.until)}`) : null] },
      { head: "Job", kind: "job", cell: (s) => s.job ? h("span", { class: "mono" }, s.job) : h("span", { class: "dim" }, "–") },
      { head: "Price", num: true, cell: (s) => s.usd_per_hour == null ? "–" : `${usd(s.usd_per_hour)}/h` },
    ], data.slots, (s) => s.id),
    h("h3", {}, "Queue"),
    data.queue.length ? h("ol", { class: "queue" }, data.queue.map((job) => h("li", { key: job.id },
      h("span", { class: "line" }, h("span", { class: "mono" }, job.id),
        h("span", { class: "dim" }, job.waiting_since ? `${span(data.now - job.waiting_since)}` : "", job.priority ? `, priority ${job.priority}` : "")),
      job.reason ? h("small", {}, job.reason) : null)))
      : h("p", { class: "empty" }, "Nobody waits."),
  ];
}

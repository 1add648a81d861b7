// Spend against the limit, with the steps at which the stack acts.

import { h } from "./dom.js";
import { code, empty, table } from "./common.js";
import { percent, span, usd, when, words, value } from "./format.js";

const EFFECTS = { notify: "notify", block_new: "block new jobs", stop_spot: "stop spot jobs", scale_to_zero: "endpoints to zero", route_to: "send all to one release" };
const effect = (name) => EFFECTS[name] || words(name);

export function budget(data) {
  const b = data.budget;
  if (!b) return empty("The ledger has said nothing yet.", "skywright budget status");
  const ratio = b.limit_usd ? b.spent_usd / b.limit_usd : null;
  const steps = [...(b.steps || [])].sort((x, y) => x.percent - y.percent);
  const top = Math.max(1, ratio || 0, ...steps.map((s) => s.percent / 100)) * 1.04;
  const left = (v) => ({ "--at": `${Math.min(100, (v / top) * 100).toFixed(2)}%` });
  const forecast = b.limit_usd && b.forecast_usd != null ? b.forecast_usd / b.limit_usd : null;
  const next = steps.find((s) => !s.reached_at);
  return [
    h("p", { class: "amount" }, h("b", {}, usd(b.spent_usd)), ratio == null ? " spent, no limit set" : ` of ${usd(b.limit_usd)} in ${b.period}`),
    ratio == null ? null : h("div", { class: "meter" },
      h("div", {
        class: "track", role: "meter", "aria-label": "Spend against the budget", "aria-valuemin": 0, "aria-valuemax": Math.round(top * 100),
        "aria-valuenow": Math.round(ratio * 100), "aria-valuetext": `${percent(ratio)} of the limit spent`,
      },
      h("div", { class: "forecast", vars: left(forecast || 0) }),
      h("div", { class: `spent ${ratio >= 1 ? "bad" : ratio >= 0.8 ? "warn" : ""}`, vars: left(ratio) }),
      steps.map((s) => h("i", { key: s.percent, class: s.reached_at ? "step reached" : "step", vars: left(s.percent / 100) }))),
      h("div", { class: "scale", "aria-hidden": "true" }, steps.map((s) => h("span", { key: s.percent, vars: left(s.percent / 100) }, `${value(s.percent)}%`)))),
    h("p", { class: "dim" }, ratio == null ? null : `${percent(ratio)} spent`, forecast != null ? `, ${usd(b.forecast_usd)} expected at the month's end` : "",
      next ? `. Next at ${value(next.percent)}\u00a0%: ${effect(next.effect)}.` : "."),
    h("ul", { class: "steps", "aria-label": "Budget steps" }, steps.map((s) => h("li", { key: s.percent, class: s.reached_at ? "reached" : null },
      h("span", { class: "num" }, `${value(s.percent)}\u00a0%`), h("span", {}, effect(s.effect)),
      h("span", { class: "dim" }, s.reached_at ? [s.released_at ? "lifted " : "reached ", when(s.released_at || s.reached_at, data.now)] : "ahead")))),
    h("h3", {}, "Holds in force"),
    b.holds.length ? h("ul", { class: "holds" }, b.holds.map((hold) => h("li", { key: hold.id },
      h("b", {}, `${effect(hold.effect)}${hold.target ? ` (${hold.target})` : ""}`), h("span", {}, `on ${hold.scope}: ${hold.reason}`),
      h("small", {}, `by ${hold.by}, `, when(hold.at, data.now), ". Lift it: ", code(`skywright budget release ${hold.id} --reason WHY`)))))
      : h("p", { class: "empty" }, "None: everything declared may run."),
    b.lines?.length ? h("details", {}, h("summary", {}, "What it went to"), table("Spend by what it went to", [
      { head: "What", cell: (l) => [h("b", {}, l.name), h("small", {}, [l.kind, l.team].filter(Boolean).join(", "))] },
      { head: "Time", num: true, cell: (l) => span(l.seconds) },
      { head: "Price", num: true, cell: (l) => l.usd_per_hour == null ? "–" : `${usd(l.usd_per_hour)}/h` },
      { head: "Spend", num: true, cell: (l) => usd(l.usd) },
    ], b.lines, (l) => `${l.kind}/${l.name}/${l.usd_per_hour}`)) : null,
  ];
}

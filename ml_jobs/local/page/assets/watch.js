// Alarms and the audit log.

import { h } from "./dom.js";
import { chip, code, empty, table } from "./common.js";
import { number, value, when, words } from "./format.js";

export const firing = (data) => data.alarms.filter((alarm) => alarm.state === "firing");

export function alarms(data) {
  const now = firing(data);
  const rest = data.alarms.filter((alarm) => alarm.state !== "firing");
  const line = (alarm) => h("li", { key: `${alarm.name}-${alarm.at}`, class: alarm.state === "firing" ? "firing" : null },
    h("span", { class: "line" }, h("b", {}, alarm.name), alarm.state === "firing" ? chip(alarm.severity || "firing") : chip("calm", alarm.state)),
    h("span", {}, alarm.condition || words(alarm.metric), alarm.value != null ? `; seen ${value(alarm.value)}` : ""),
    h("small", {}, alarm.state === "firing" ? ["since ", when(alarm.at, data.now)] : [when(alarm.ended_at || alarm.at, data.now)]));
  return [
    now.length ? h("ul", { class: "alarmlist" }, now.map(line)) : h("p", { class: "calm" }, chip("ok", "None firing")),
    rest.length ? [h("h3", {}, "Earlier"), h("ul", { class: "alarmlist past" }, rest.slice(0, 12).map(line))] : null,
  ];
}

export function audit(data) {
  const log = data.audit;
  if (!log?.entries.length) return empty("Nothing was changed or refused yet.", "skywright audit");
  const broken = !log.chain.ok;
  return [
    h("p", { class: broken ? "chain bad" : "chain" },
      broken ? chip("failed", `Chain broken at line ${number(log.chain.line)}: ${log.chain.why}`) : chip("ok", `Chain verified, ${number(log.count)} entries`),
      log.count > log.entries.length ? h("span", { class: "dim" }, `newest ${log.entries.length} shown; all: `, code("skywright audit")) : null),
    h("div", { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Audit log entries" }, table("Audit log, newest first", [
      { head: "When", cell: (e) => when(e.at, data.now) },
      { head: "Who", cell: (e) => [h("b", {}, e.who || "–"), e.role && e.role !== e.who ? h("span", { class: "dim" }, ` ${e.role}`) : null] },
      { head: "What", kind: "grow", cell: (e) => e.what || "–" },
      { head: "Target", kind: "twice", cell: (e) => h("span", { class: "mono" }, e.target || "–") },
      { head: "Outcome", cell: (e) => chip(e.outcome || "done") },
    ], log.entries, (e) => e.seq)),
  ];
}

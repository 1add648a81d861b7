// What answers requests: weights, and how each release does.

import { h } from "./dom.js";
import { chip, empty, table } from "./common.js";
import { ms, number, percent, rate } from "./format.js";

export function releases(data) {
  const found = data.releases;
  if (!found.length) return empty("Nothing is released; the endpoint answers 503. Release a version:", "skywright release MODEL VERSION");
  const { held, note } = data.endpoint || {};
  const weighted = found.filter((r) => r.weight_percent > 0);
  return [
    held?.is_stopped ? h("p", { class: "old bad" }, `A hold keeps the endpoint at zero: ${held.reason}`) : null,
    held?.route_to ? h("p", { class: "old bad" }, `A hold sends everything to ${held.route_to}: ${held.reason}`) : null,
    note ? h("p", { class: "old" }, note) : null,
    data.unanswered_rate ? h("p", { class: "old bad" }, `${rate(data.unanswered_rate)} are answered by no release.`) : null,
    h("div", { class: "split", role: "img", "aria-label": weighted.map((r) => `${r.name} ${number(r.weight_percent)}\u00a0%`).join(", ") },
      weighted.map((r) => h("div", { key: r.name, class: `share s${found.indexOf(r) % 4}`, vars: { "--share": r.weight_percent } },
        r.weight_percent >= 12 ? [h("b", {}, r.name), ` ${number(r.weight_percent)}\u00a0%`] : r.weight_percent >= 5 ? `${number(r.weight_percent)}\u00a0%` : ""))),
    table("Releases of the endpoint; the last minute", [
      { head: "Release", cell: (r) => [h("span", { class: `swatch s${found.indexOf(r) % 4}` }), h("b", {}, r.name), h("small", {}, `${r.model} v${r.version}`)] },
      { head: "Weight", num: true, cell: (r) => `${number(r.weight_percent, r.weight_percent % 1 ? 1 : 0)}\u00a0%` },
      { head: "Requests", num: true, cell: (r) => rate(r.request_rate) },
      { head: "p50", num: true, cell: (r) => ms(r.p50_s) },
      { head: "p99", num: true, cell: (r) => ms(r.p99_s) },
      { head: "Errors", num: true, cell: (r) => r.error_ratio > 0 ? h("strong", { class: r.error_ratio >= 0.01 ? "badtext" : "warntext" }, percent(r.error_ratio, 2)) : percent(r.error_ratio) },
      { head: "Shadow", num: true, cell: shadow },
      { head: "Requests, 10 min", kind: "spark", cell: (r) => spark(r.rate_bins, found.indexOf(r) % 4) },
    ], found, (r) => r.name),
  ];
}

function shadow(release) {
  const { compared, agreed } = release.shadow;
  if (!compared) return release.shadow_percent ? chip("idle", `${number(release.shadow_percent)}\u00a0% copied`) : "–";
  return [`${percent(agreed / compared)} agree`, h("small", {}, `of ${number(compared)}`)];
}

function spark(bins, tone) {
  if (!bins?.some((v) => v)) return h("span", { class: "dim" }, "–");
  const top = Math.max(...bins), w = 120, tall = 26;
  const at = bins.map((v, i) => `${((i / (bins.length - 1)) * w).toFixed(1)} ${(tall - 1.5 - ((v || 0) / top) * (tall - 4)).toFixed(1)}`);
  return h("svg", { class: `sparkline s${tone}`, width: w, height: tall, viewBox: `0 0 ${w} ${tall}`, role: "img", "aria-label": `at most ${rate(top)}` },
    h("path", { class: "fill", d: `M0 ${tall}L${at.join("L")}L${w} ${tall}Z` }), h("path", { class: "stroke", d: `M${at.join("L")}` }));
}

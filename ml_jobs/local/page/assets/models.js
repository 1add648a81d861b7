// Versions, what they score, and who approved them.

import { h } from "./dom.js";
import { chip, code, empty, table } from "./common.js";
import { number, percent, value, when, words } from "./format.js";

export function models(data) {
  if (!data.models.length) return empty("No version is registered yet; a training run registers one:", "skywright train digits");
  return data.models.map((model) => h("div", { key: model.name, class: "group" },
    data.models.length > 1 ? h("h3", {}, model.name) : null,
    table(`Versions of ${model.name}, newest first`, [
      { head: "Version", cell: (v) => [h("b", {}, `${model.name} v${v.version}`), served(data, model.name, v.version)] },
      { head: "Score", num: true, cell: score },
      { head: "State", cell: (v) => v.problem ? [chip("failed", "damaged"), h("small", {}, v.problem)] : chip(v.state || "pending") },
      { head: "Approval", kind: "grow", cell: (v) => approval(v, data.now) },
      { head: "From", kind: "twice", cell: (v) => [h("span", { class: "mono" }, v.job || "–"), v.git?.commit ? h("small", { class: "mono" }, `${v.git.commit.slice(0, 7)}${v.git.is_dirty ? ", changed" : ""}`) : null] },
      { head: "Registered", cell: (v) => when(v.created_at, data.now) },
    ], model.versions, (v) => v.version),
    model.count > model.versions.length ? h("p", { class: "more" }, `${number(model.count - model.versions.length)} older: `, code(`skywright models show ${model.name}`)) : null));
}

function served(data, model, version) {
  const weight = data.releases.filter((r) => r.model === model && r.version === version).reduce((sum, r) => sum + (r.weight_percent || 0), 0);
  return weight ? h("small", {}, `serves ${number(weight)}\u00a0%`) : null;
}

function score(v) {
  const name = v.evaluation?.primary;
  const got = name ? v.evaluation[name] : null;
  if (got == null) return "–";
  return [name === "accuracy" ? percent(got, 2) : value(got), h("small", {}, words(name))];
}

function approval(v, now) {
  if (!v.approval) return h("span", { class: "dim" }, "waits for an approver");
  const { by, at, reason, override } = v.approval;
  return [h("span", {}, by || "–", " ", when(at, now)), h("small", {}, [reason, override ? `override: ${override === true ? "yes" : override}` : ""].filter(Boolean).join("; "))];
}

// Small pieces that several panels share.

import { h, patch } from "./dom.js";
import { when } from "./format.js";

const TONES = {
  running: "go", busy: "go", succeeded: "good", approved: "good", done: "good", ok: "good", idle: "calm",
  queued: "calm", pending: "calm", stopping: "warn", notice: "warn", away: "off", stopped: "off", failed: "bad",
  rejected: "bad", refused: "bad", firing: "bad", critical: "bad", warning: "warn",
};

/** A state: a dot and its word. */
export const chip = (state, text = state) => h("span", { class: `chip ${TONES[state] || "calm"}` }, text);

let named = "";
/** Commands that the page names work on this stack. */
export const nameStack = (stack) => { named = stack === "local" ? "" : ` -s ${stack}`; };
export const code = (text) => h("code", {}, text + named);
export const empty = (text, command) => h("p", { class: "empty" }, text, command ? [" ", code(command)] : null);
export const banner = (kind, title, rest) =>
  h("div", { class: `banner ${kind}`, key: title, role: "note" }, h("strong", {}, title), h("p", {}, ...rest));
export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, what, kind]) =>
    h("div", { key: name, class: kind || null }, h("dt", {}, name), h("dd", {}, what))));

/**
 * A table that becomes a list of cards on a narrow screen; roles keep it a table for who hears it.
 * columns: [{head, cell: (row) => content, num, grow}]
 */
export function table(caption, columns, rows, key) {
  return h("table", { class: "data", role: "table" },
    h("caption", { class: "hidden" }, caption),
    h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((c) =>
      h("th", { scope: "col", role: "columnheader", class: c.num ? "num" : null }, c.head)))),
    h("tbody", { role: "rowgroup" }, rows.map((row) => h("tr", { role: "row", key: key(row) }, columns.map((c, i) =>
      h(i ? "td" : "th", {
        role: i ? "cell" : "rowheader", scope: i ? null : "row", "data-head": c.head,
        class: [c.num && "num", c.kind].filter(Boolean).join(" ") || null,
      }, c.cell(row)))))));
}

/** Fill a panel: loading, away without anything known, or its view with a note when its source is away. */
export function panel(id, data, sources, view) {
  const section = document.getElementById(id);
  const body = section.querySelector(".body");
  if (!data) {
    patch(body, [h("div", { class: "skeleton", key: "skeleton" })]);
    return;
  }
  const away = sources.filter((name) => !data.sources[name].ok);
  const never = away.find((name) => data.sources[name].at == null);
  section.classList.toggle("away", away.length > 0);
  if (never) {
    patch(body, [h("p", { class: "empty", key: "never" }, `The ${never} ${data.sources[never].why}. `,
      "Its state comes back with it: ", code("skywright up"))]);
    return;
  }
  const note = away.map((name) =>
    h("p", { class: "old", key: `away-${name}` }, `The ${name} is away; last heard `, when(data.sources[name].at, data.now)));
  patch(body, [note, h("div", { key: "view" }, view())]);
}

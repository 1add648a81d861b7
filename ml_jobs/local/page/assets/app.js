// Keeps the token, asks for news, and hands them to the panels.

import { h, patch } from "./dom.js";
import { clock, span } from "./format.js";
import { banner, code, nameStack, panel } from "./common.js";
import { glance } from "./glance.js";
import { runs } from "./runs.js";
import { releases } from "./releases.js";
import { models } from "./models.js";
import { slots } from "./slots.js";
import { budget } from "./budget.js";
import { alarms, audit, firing } from "./watch.js";

const EVERY_MS = 2000;
const STALE_S = 8;
const state = { data: null, problem: null, got: 0, run: new URLSearchParams(location.search).get("run"), metric: null };
const $ = (id) => document.getElementById(id);
let timer = 0;
let asked = 0;

/** The token of the URL's fragment goes into this tab's storage and out of the address, so that no one copies it on. */
function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!given) return;
  sessionStorage.setItem("skywright-token", given);
  history.replaceState(null, "", location.pathname + location.search);
}

async function poll() {
  clearTimeout(timer);
  const turn = ++asked;
  const token = sessionStorage.getItem("skywright-token");
  let problem = null;
  try {
    if (!token) problem = "token";
    else {
      const query = state.run ? `?run=${encodeURIComponent(state.run)}` : "";
      const answer = await fetch(`/api/page${query}`, {
        headers: { authorization: `Bearer ${token}` },
        signal: AbortSignal.timeout(10000),
      });
      if (answer.status === 401 || answer.status === 403) problem = "token";
      else if (!answer.ok) problem = `answered ${answer.status}`;
      else {
        const data = await answer.json();
        if (turn !== asked) return; // another run was chosen meanwhile
        const known = state.data ? firing(state.data).map((alarm) => alarm.name) : null;
        const fresh = known ? firing(data).map((alarm) => alarm.name).filter((name) => !known.includes(name)) : [];
        if (fresh.length) $("announce").textContent = `Alarm: ${fresh.join(", ")}`;
        state.data = data;
        state.got = Date.now();
      }
    }
  } catch {
    problem = "does not answer";
  }
  if (turn !== asked) return;
  say(problem);
  state.problem = problem;
  if (problem === "token") state.data = null;
  render();
  timer = setTimeout(poll, document.hidden ? EVERY_MS * 5 : EVERY_MS);
}

function say(problem) {
  if (problem === state.problem) return;
  const lost = problem === "token" ? "The page needs a token." : "The monitor does not answer; what is shown is old.";
  $("announce").textContent = problem ? lost : state.problem ? "Connected again." : "";
}

function notices() {
  if (state.problem === "token") {
    const had = sessionStorage.getItem("skywright-token");
    return banner("bad", had ? "This stack does not know the token" : "This page needs the stack's viewer token", [
      "Open it from a terminal; the command adds the token to the address: ",
      code("skywright page"),
    ]);
  }
  if (state.problem) {
    const what = state.data ? `Showing ${clock(state.got / 1000)}, trying again.` : "Trying again.";
    return banner("bad", `The monitor ${state.problem}`, [what, " See ", code("skywright status"), "."]);
  }
  if (!state.data) return null;
  const away = Object.entries(state.data.sources).filter(([, source]) => !source.ok);
  if (!away.length) return null;
  const names = away.map(([name, source]) => `${name} (${source.why})`).join(", ");
  return banner("warn", `Away: ${names}`, [
    "Their panels show the last that was known. ", code("skywright up"), " mends a stack whose processes died.",
  ]);
}

function live() {
  const age = (Date.now() - state.got) / 1000;
  if (state.problem === "token") return ["off", "Locked"];
  if (!state.data) return ["off", state.problem ? "Not connected" : "Loading"];
  if (state.problem || age > STALE_S) return ["off", `Stale, ${span(age)} old`];
  return ["on", `Live, ${clock(state.data.now)}`];
}

function render() {
  const data = state.data;
  const [kind, text] = live();
  $("live").className = `live ${kind}`;
  patch($("live"), [text]);
  patch($("notice"), [notices()]);
  document.body.classList.toggle("locked", state.problem === "token");
  document.body.classList.toggle("stale", Boolean(data) && kind === "off");
  if (data) {
    nameStack(data.stack);
    patch($("hint"), ["The same from a terminal: ", ["status", "runs list", "budget status", "audit"].map((name) => [code(`skywright ${name}`), " "])]);
    document.title = `${data.stack} · Skywright`;
    patch($("stack"), [data.stack, h("small", {}, data.environment)]);
  }
  patch($("glance"), data ? glance(data) : []);
  panel("run", data, ["scheduler"], () => runs(data, state, choose, render));
  panel("releases", data, ["router", "metrics"], () => releases(data));
  panel("budget", data, ["ledger"], () => budget(data));
  panel("models", data, ["registry"], () => models(data));
  panel("slots", data, ["scheduler"], () => slots(data));
  panel("audit", data, ["audit"], () => audit(data));
  panel("alarms", data, ["alarms"], () => alarms(data));
  $("main").setAttribute("aria-busy", String(!data && !state.problem));
}

function choose(id) {
  state.run = id;
  const query = new URLSearchParams({ run: id });
  history.replaceState(null, "", `${location.pathname}?${query}`);
  render();
  poll();
}

takeToken();
window.addEventListener("hashchange", () => {
  if (!location.hash.includes("token=")) return;
  takeToken();
  poll();
});
document.addEventListener("visibilitychange", () => document.hidden || poll());
new ResizeObserver(render).observe(document.documentElement);
poll();

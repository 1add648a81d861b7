// Numbers with their units, times relative with the absolute one at hand.

import { h } from "./dom.js";

const NONE = "–";

export const number = (v, digits = 0) =>
  v == null ? NONE : v.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Three or so significant digits, never an exponent a person must decode. */
export function value(v) {
  if (v == null) return NONE;
  const size = Math.abs(v);
  if (size === 0) return "0";
  if (size >= 1000) return number(v);
  if (size < 1e-6) return v.toExponential(1);
  if (size < 0.01) return v.toLocaleString("en-US", { maximumSignificantDigits: 3 });
  return number(v, size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : size >= 0.1 ? 3 : 4);
}

export function usd(v) {
  if (v == null) return NONE;
  const size = Math.abs(v);
  if (size === 0) return "$0.00";
  return (v < 0 ? "-$" : "$") + number(size, size >= 0.1 ? 2 : size >= 0.01 ? 3 : 5);
}

export const percent = (ratio, digits = 1) => {
  if (ratio == null) return NONE;
  const p = ratio * 100;
  return `${number(p, p === 0 || p === 100 ? 0 : p < 1 ? 2 : digits)}\u00a0%`;
};

export function ms(seconds) {
  if (seconds == null) return NONE;
  const v = seconds * 1000;
  return v >= 10000 ? `${number(seconds, 1)}\u00a0s` : `${number(v, v >= 100 ? 0 : 1)}\u00a0ms`;
}

export function rate(v) {
  return v == null ? NONE : `${number(v, v === 0 || v >= 100 ? 0 : v >= 10 ? 1 : 2)}/s`;
}

export function span(seconds) {
  if (seconds == null) return NONE;
  const s = Math.max(0, seconds);
  if (s < 10) return `${number(s, 1)} s`;
  if (s < 60) return `${Math.floor(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
}

export function clock(at) {
  return at == null ? NONE : new Date(at * 1000).toLocaleTimeString("en-GB");
}

function ago(at, now) {
  const s = now - at;
  if (s < -5) return `in ${span(-s)}`;
  if (s < 5) return "just now";
  if (s < 60) return `${Math.floor(s / 5) * 5} s ago`;
  if (s < 3600) return `${Math.floor(s / 60)} min ago`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ago`;
  return `${Math.floor(s / 86400)} d ago`;
}

/** A <time>: how long ago, with the whole date and time as its title. */
export function when(given, now) {
  const at = typeof given === "string" ? Date.parse(given) / 1000 : given;
  if (at == null || Number.isNaN(at)) return NONE;
  const date = new Date(at * 1000);
  const local = `${date.toLocaleDateString("en-CA")} ${date.toLocaleTimeString("en-GB")}`;
  return h("time", { datetime: date.toISOString(), title: local }, ago(at, now));
}

export const plural = (n, one, many = one + "s") => `${number(n)} ${n === 1 ? one : many}`;
export const words = (text) => String(text ?? NONE).replaceAll("_", " ");

// A tree of plain descriptions, patched into the document: nodes that stay keep focus, scroll and selection.
// Text only ever becomes text nodes, so nothing that a job or a person named can become markup.

const SVG = "http://www.w3.org/2000/svg";

/** h("td", {class: "num"}, 12): a description. `key` among the props holds a node's identity in a list. */
export function h(tag, props, ...children) {
  return { tag, props: props || {}, children: children.flat(Infinity).filter((c) => c != null && c !== false && c !== true) };
}

/** Make `parent` hold exactly `children`. */
export function patch(parent, children) {
  const wanted = [children].flat(Infinity).filter((c) => c != null && c !== false);
  apart(wanted);
  const keys = new Set(wanted.map((c) => c.props?.key).filter((key) => key != null));
  const keyed = new Map();
  for (const node of [...parent.childNodes]) {
    if (node.key == null) continue;
    if (keys.has(node.key)) keyed.set(node.key, node);
    else node.remove(); // before anything moves: a node that moves loses focus
  }
  let at = parent.firstChild;
  for (const child of wanted) {
    let node = null;
    if (typeof child === "object") {
      const key = child.props.key;
      if (key != null) node = keyed.get(key) || null;
      else if (at && at.key == null && at.nodeType === 1 && at.localName === child.tag) node = at;
      if (node && node.localName !== child.tag) node = null;
    } else if (at && at.nodeType === 3) node = at;
    if (!node) node = make(child, parent);
    if (node !== at) parent.insertBefore(node, at);
    else at = at.nextSibling;
    update(node, child);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

/** Two of one key in a list are told apart, so that each has its own node. */
function apart(wanted) {
  const seen = new Map();
  for (const { props } of wanted) {
    if (props?.key == null) continue;
    const times = seen.get(props.key) || 0;
    seen.set(props.key, times + 1);
    if (times) props.key = `${props.key} (${times})`;
  }
}

function make(child, parent) {
  if (typeof child !== "object") return document.createTextNode("");
  const inSvg = child.tag === "svg" || (parent.namespaceURI === SVG && parent.localName !== "foreignObject");
  const node = inSvg ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  if (child.props.key != null) node.key = child.props.key;
  return node;
}

function update(node, child) {
  if (typeof child !== "object") {
    const text = String(child);
    if (node.data !== text) node.data = text;
    return;
  }
  const before = node.given || {};
  const props = child.props;
  for (const name of Object.keys(before)) if (!(name in props)) set(node, name, null);
  for (const [name, value] of Object.entries(props)) if (before[name] !== value) set(node, name, value);
  node.given = props;
  if (!props.own) patch(node, child.children);
}

function set(node, name, value) {
  if (name === "key" || name === "own") return;
  if (name.startsWith("on")) node[name] = value;
  else if (name === "vars") for (const [k, v] of Object.entries(value || {})) node.style.setProperty(k, v);
  else if (name === "value") node.value = value;
  else if (value == null || value === false) node.removeAttribute(name);
  else {
    const text = value === true ? "" : String(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
}

"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const order = data.points.map((point) => point.number);
let selected = data.selected;

// Points name their layers' choices by position.
for (const point of data.points) point.choices = () => point.layers.map((index) => data.choices[index]);

// Everything that comes from the run's files goes in as text, never as markup.
function make(tag, kind, text) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  if (text !== undefined) node.textContent = text;
  return node;
}

function bar(part, kind) {
  const frame = make("span", "bar");
  const fill = make("span", kind);
  fill.style.width = `${(100 * part).toFixed(1)}%`;
  frame.append(fill);
  return frame;
}

function cell(...parts) {
  const node = make("td");
  node.append(...parts);
  return node;
}

function skyline(point) {
  const box = byId("skyline");
  box.classList.toggle("dense", point.layers.length > 16);
  box.replaceChildren();
  point.choices().forEach((choice, index) => {
    const layer = data.layers[index];
    const column = make("div");
    column.title = `${layer.name}: weight ${choice.weight}, activation ${choice.activation}`;
    for (const [side, kind, bits] of [
      ["up", choice.weight_kind, choice.weight_bits],
      ["down", choice.activation_kind, choice.activation_bits],
    ]) {
      const half = make("div", side);
      const block = make("span", kind, String(Math.round(10 * bits) / 10));
      block.style.height = `${Math.max(15, (76 * bits) / data.most_bits).toFixed(1)}px`;
      half.append(block);
      column.append(half);
      if (side === "up") column.append(make("div", "name", layer.name));
    }
    box.append(column);
  });
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", "Weight bits upwards and activation bits downwards; the table below has the same figures.");
}

function families(point) {
  const seen = new Set();
  for (const choice of point.choices()) seen.add(choice.weight_kind).add(choice.activation_kind);
  const box = byId("families");
  box.replaceChildren(make("span", "", "weights up, activations down"));
  for (const [kind, name] of [["int", "integer"], ["float", "minifloat"], ["low", "binary, ternary"], ["other", "other format"]]) {
    if (!seen.has(kind)) continue;
    const item = make("span");
    item.append(make("i", kind), name);
    box.append(item);
  }
}

// Each layer's part of a cost that adds up over layers; null where the run does not split it.
function parts(point, column) {
  const costs = point.choices().map((choice, index) => {
    const [counted, each] = choice.costs[column] || [];
    return counted ? data.layers[index].counts[counted] * each : NaN;
  });
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  return total > 0 ? costs.map((cost) => cost / total) : null;
}

function shares(point) {
  const column = byId("cost").value;
  const known = parts(point, column) ? column : data.objective;
  const label = data.labels[known];
  byId("strip-title").textContent = `Where the cost goes: ${label}`;
  byId("share-head").textContent = `Share of ${label}`;
  const values = parts(point, known) || point.layers.map(() => null);
  const box = byId("strip");
  box.replaceChildren();
  values.forEach((value, index) => {
    const part = make("div", value < 0.07 ? "thin" : "", data.layers[index].name);
    part.style.flex = `${value || 0} 1 0`;
    part.title = `${data.layers[index].name}: ${(100 * (value || 0)).toFixed(1)} %`;
    box.append(part);
  });
  return values;
}

function table(point, values) {
  const most = Math.max(...values, 1e-9);
  const rows = point.choices().map((choice, index) => {
    const layer = data.layers[index];
    const row = make("tr");
    const head = make("th", "", layer.name);
    head.scope = "row";
    head.title = layer.name;
    const share = values[index] === null ? "" : `${(100 * values[index]).toFixed(1)} %`;
    const macs = cell(layer.macs);
    macs.className = "number";
    row.append(
      head,
      cell(bar(choice.weight_bits / data.most_bits, choice.weight_kind), choice.weight),
      cell(bar(choice.activation_bits / data.most_bits, choice.activation_kind), choice.activation),
      cell(bar((values[index] || 0) / most, "share"), share),
      cell(make("span", "unit", choice.unit)),
      macs,
      cell(layer.op),
      cell(layer.shape),
    );
    return row;
  });
  document.querySelector("#allocation tbody").replaceChildren(...rows);
}

function select(number, { jump = false } = {}) {
  if (!order.includes(number)) return;
  selected = number;
  const point = data.points[order.indexOf(number)];
  byId("point-title").textContent = `Point ${number}`;
  const badges = point.badges.map(([kind, text]) => make("span", `badge ${kind}`, text));
  byId("badges").replaceChildren(...badges);
  byId("stats").replaceChildren(...point.stats.flatMap((value, index) => {
    if (!value) return [];
    const item = make("div");
    item.append(make("dt", "", data.stats[index]), make("dd", "", value));
    return [item];
  }));
  families(point);
  skyline(point);
  table(point, shares(point));
  for (const panel of document.querySelectorAll(".panel")) {
    const marks = [...panel.querySelectorAll("[data-point]")];
    for (const mark of marks) {
      const also = mark.dataset.also?.split(" ").map(Number) || [];
      const here = Number(mark.dataset.point) === number || also.includes(number);
      mark.classList.toggle("selected", here);
      mark.setAttribute("aria-pressed", String(here));
      mark.setAttribute("tabindex", here ? "0" : "-1");
    }
    if (!marks.some((mark) => mark.classList.contains("selected"))) marks[0]?.setAttribute("tabindex", "0");
  }
  for (const row of document.querySelectorAll("tr[data-row]")) {
    row.classList.toggle("selected", Number(row.dataset.row) === number);
  }
  const at = order.indexOf(number);
  byId("previous").disabled = at === 0;
  byId("next").disabled = at === order.length - 1;
  history.replaceState(null, "", `#point-${number}`);
  if (jump) byId("point").scrollIntoView({ block: "nearest" });
}

// The mark under the pointer, or the nearest one within a finger's reach.
function nearest(event, query) {
  let best = null;
  let least = 26;
  for (const mark of event.currentTarget.querySelectorAll(query)) {
    const box = mark.getBoundingClientRect();
    const distance = Math.hypot(event.clientX - box.x - box.width / 2, event.clientY - box.y - box.height / 2);
    if (distance < least) [best, least] = [mark, distance];
  }
  return best;
}

function showTip(mark) {
  const tip = byId("tip");
  for (const other of document.querySelectorAll(".near")) other.classList.remove("near");
  tip.hidden = !mark;
  if (!mark) return;
  mark.classList.add("near");
  const [head, ...rest] = mark.getAttribute("aria-label").split("; ");
  tip.replaceChildren(make("b", "", head), ...rest.flatMap((line, index) => (index ? [make("br"), line] : [line])));
  const box = mark.getBoundingClientRect();
  const width = document.documentElement.clientWidth;
  const left = Math.min(Math.max(8, box.x + box.width / 2 - tip.offsetWidth / 2), width - tip.offsetWidth - 8);
  const above = box.y - tip.offsetHeight - 10;
  tip.style.left = `${left + window.scrollX}px`;
  tip.style.top = `${(above > 4 ? above : box.bottom + 10) + window.scrollY}px`;
}

for (const svg of document.querySelectorAll(".figure svg")) {
  svg.addEventListener("pointermove", (event) => showTip(nearest(event, ".mark, .uniform-mark")));
  svg.addEventListener("pointerleave", () => showTip(null));
  svg.addEventListener("click", (event) => {
    const mark = nearest(event, ".mark");
    if (mark) select(Number(mark.dataset.point));
  });
  svg.addEventListener("focusin", (event) => event.target.matches(".mark") && showTip(event.target));
  svg.addEventListener("focusout", () => showTip(null));
  svg.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".mark")) return;
    const number = Number(event.target.dataset.point);
    const marks = [...event.target.closest(".panel").querySelectorAll("[data-point]")];
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (step) {
      const next = marks[marks.indexOf(event.target) + step];
      if (next) {
        select(Number(next.dataset.point));
        next.focus();
      }
    } else if (event.key === "Enter" || event.key === " ") select(number);
    else return;
    event.preventDefault();
  });
}

const move = (step) => select(order[order.indexOf(selected) + step]);
byId("previous").addEventListener("click", () => move(-1));
byId("next").addEventListener("click", () => move(1));
for (const button of document.querySelectorAll("button[data-select]")) {
  button.addEventListener("click", () => select(Number(button.dataset.select), { jump: true }));
}
for (const row of document.querySelectorAll("tr[data-row]")) {
  row.addEventListener("click", () => select(Number(row.dataset.row)));
}

// Rows of long fronts are made as they are asked for.
const later = byId("later");
let made = 0;
function nameLater() {
  const left = data.rows.length - made;
  later.hidden = !left;
  later.querySelector("button").textContent = `Show ${Math.min(500, left)} of ${left} more`;
}
later?.querySelector("button").addEventListener("click", () => {
  for (const [number, ...texts] of data.rows.slice(made, made + 500)) {
    const row = make("tr", number === selected ? "selected" : "");
    row.dataset.row = number;
    const head = make("th");
    head.scope = "row";
    const button = make("button", "", `Point ${number}`);
    button.type = "button";
    button.addEventListener("click", () => select(number, { jump: true }));
    head.append(button);
    row.append(head, ...texts.map((text, index) => make("td", index ? "number" : "", text)));
    row.addEventListener("click", () => select(number));
    later.before(row);
  }
  made = Math.min(made + 500, data.rows.length);
  nameLater();
});
if (later) nameLater();
byId("cost").addEventListener("change", (event) => {
  for (const figure of document.querySelectorAll(".figure")) {
    figure.hidden = figure.dataset.column !== event.target.value;
  }
  select(selected);
});

function onlyUsed() {
  for (const row of document.querySelectorAll("tr[data-used='no']")) row.hidden = byId("used").checked;
}
byId("used").addEventListener("change", onlyUsed);
onlyUsed();

const root = document.documentElement;
const dark = () => (root.style.colorScheme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
const nameTheme = () => { byId("theme").textContent = dark() ? "Light" : "Dark"; };
byId("theme").addEventListener("click", () => {
  root.style.colorScheme = dark() ? "light" : "dark";
  nameTheme();
});
nameTheme();

const wanted = Number((location.hash.match(/^#point-(\d+)$/) || [])[1]);
select(order.includes(wanted) ? wanted : selected);

// Groups that are built when they come into view, the filter, and keys. One script with marks.js
// and viewer.js.

const get = (id) => document.getElementById(id);
const main = document.querySelector("main");
const apart = get("apart");
const filter = get("filter");
const thumbs = (group) => [...group.querySelectorAll("button.thumb")];
const on = (id, type, act) => get(id).addEventListener(type, act);
const count = (n) => n.toLocaleString("en");
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

function say(text) { get("status").textContent = text; }

// Groups: the first are HTML, the others are built from theirs when they come near the window.

const { groups: rest, shared } = JSON.parse(get("rest").textContent);
const all = [...main.querySelectorAll(".group")];
const names = all.map((group) =>
  Array.from(group.querySelectorAll(".name"), (name) => name.textContent).join("\n").toLowerCase());
const unbuilt = new Map();  // the HTML of the groups that were not in view so far

const approach = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target: block } of entries) {
    if (!isIntersecting) continue;
    [...block.children].forEach(build);
    approach.unobserve(block);
  }
}, { rootMargin: "2000px 0px" });

// A browser looks at each element that it may skip in each frame: at blocks, not at all groups.
const blocks = [];
for (const [kind, text, html] of rest) {
  const group = element("section", { className: "group" });
  group.dataset.kind = kind;
  blockFor(kind).append(group);
  unbuilt.set(group, html);
  all.push(group);
  names.push(text.toLowerCase());
}

function blockFor(kind) {
  const isApart = kind !== "copies", last = blocks.at(-1);
  if (last && last.children.length < 25 && apart.contains(last) === isApart) return last;
  const block = element("div", { className: "block" });
  if (isApart) apart.append(block);
  else apart.before(block);
  approach.observe(block);
  blocks.push(block);
  return block;
}

function build(group) {
  if (!unbuilt.has(group)) return;
  group.innerHTML = unbuilt.get(group);
  unbuilt.delete(group);
  offerMarks(group);
}

all.filter((group) => !unbuilt.has(group)).forEach(offerMarks);
window.addEventListener("beforeprint", () => shown.forEach(build));

// The filter, and moving between the groups that it lets through.

let shown = all;
applyFilter();

function applyFilter() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = all.filter((group, n) => {
    group.hidden = !words.every((word) => names[n].includes(word));
    return !group.hidden;
  });
  for (const block of blocks) {
    const { length } = block.querySelectorAll(".group:not([hidden])");
    block.hidden = !length;
    block.style.setProperty("--groups", length);
  }
  say(words.length ? `${count(shown.length)} of ${count(all.length)} groups` : "");
  get("nothing").hidden = shown.length > 0 || !all.length;
  apart.hidden = !shown.some((group) => group.dataset.kind !== "copies");
}

function moveTo(group) {
  if (!group) return;
  build(group);
  group.querySelector("h2").focus({ preventScroll: true });
  group.scrollIntoView();
  say(`${count(shown.indexOf(group) + 1)} of ${count(shown.length)}`);
}

// The group at the top of the window, where one starts after scrolling by hand.
function groupInView() {
  const top = document.querySelector("body > header").getBoundingClientRect().bottom;
  let low = 0, high = shown.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (shown[middle].getBoundingClientRect().bottom > top + 1) high = middle;
    else low = middle + 1;
  }
  return low;
}

function step(by) {
  const focused = document.activeElement.closest(".group");
  if (focused) {
    moveTo(shown[shown.indexOf(focused) + by]);
  } else {
    const here = groupInView();
    moveTo(shown[window.scrollY > 0 && by < 0 ? Math.max(here - 1, 0) : here]);
  }
}

function focusedThumb() {
  return document.activeElement.closest(".images > li")?.querySelector("button.thumb");
}

function stepImage(by) {
  const group = document.activeElement.closest(".group");
  if (!group) return;
  const images = thumbs(group);
  const here = images.indexOf(focusedThumb());
  const next = here < 0 ? images.at(by > 0 ? 0 : -1) : images[here + by];
  if (next) next.focus();
}

// Keys.

const onPage = {
  ArrowDown: () => step(1), j: () => step(1),
  ArrowUp: () => step(-1), k: () => step(-1),
  ArrowRight: () => stepImage(1), l: () => stepImage(1),
  ArrowLeft: () => stepImage(-1), h: () => stepImage(-1),
  m: () => toggleMark(focusedThumb()),
  "/": () => { filter.focus(); filter.select(); },
};
const inViewer = {
  ArrowRight: () => enlargeNext(1), l: () => enlargeNext(1),
  ArrowLeft: () => enlargeNext(-1), h: () => enlargeNext(-1),
  ArrowDown: () => enlargeGroup(1), j: () => enlargeGroup(1),
  ArrowUp: () => enlargeGroup(-1), k: () => enlargeGroup(-1),
  m: () => toggleMark(enlarged),
  1: () => setView("one"), 2: () => setView("side"),
  3: () => setView("swipe"), 4: () => setView("difference"),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === filter) {
    if (event.key === "Escape") { filter.value = ""; applyFilter(); }
    if (event.key === "Enter" || event.key === "ArrowDown" || event.key === "Escape") {
      event.preventDefault();
      moveTo(shown[0]);
    }
    return;
  }
  if (event.target.matches("input, select")) return;
  if (event.key === "Enter" && event.target.matches(".group h2")) {
    event.preventDefault();
    return enlarge(event.target.closest(".group").querySelector("button.thumb"));
  }
  const act = (viewer.open ? inViewer : onPage)[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});

on("filter", "input", applyFilter);
new ResizeObserver(([header]) => {  // a group moved to stops below the header
  document.documentElement.style.setProperty("--header", `${header.target.offsetHeight}px`);
}).observe(document.querySelector("body > header"));
document.querySelectorAll("[data-script]").forEach((element) => { element.hidden = false; });

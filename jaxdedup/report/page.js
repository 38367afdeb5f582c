// Groups that are built when they come into view, keys, the filter, the viewer, and marks.

const get = (id) => document.getElementById(id);
const main = document.querySelector("main");
const apart = get("apart");
const filter = get("filter");
const viewer = get("viewer");
const thumbs = (group) => [...group.querySelectorAll("button.thumb")];
const count = (n) => n.toLocaleString("en");
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);

function say(text) { get("status").textContent = text; }

// Groups: the first are HTML, the others are built from theirs when they come near the window.

const { groups: rest, shared } = JSON.parse(get("rest").textContent);
const all = [...main.querySelectorAll(".group")];
const names = all.map((group) =>
  Array.from(group.querySelectorAll(".name"), (name) => name.textContent).join("\n").toLowerCase());
const unbuilt = new Map();  // the HTML of the groups that were not in view so far

all.forEach(offerMarks);
for (const [kind, text, html] of rest) {
  const group = element("section", { className: "group" });
  group.dataset.kind = kind;
  if (kind === "copies") apart.before(group);
  else apart.append(group);
  unbuilt.set(group, html);
  all.push(group);
  names.push(text.toLowerCase());
}

function build(group) {
  if (!unbuilt.has(group)) return;
  group.innerHTML = unbuilt.get(group);
  unbuilt.delete(group);
  offerMarks(group);
}

const approach = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    build(entry.target);
    approach.unobserve(entry.target);
  }
}, { rootMargin: "2000px 0px" });
for (const group of unbuilt.keys()) approach.observe(group);
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

// Marks: where a group has an image that is kept, the others that can be seen can go.

const marked = new Set();  // the groups that have one
let unsaved = false;

function offerMarks(group) {
  if (group.dataset.kind === "low") return;  // whose images are no copies of one another
  for (const thumb of thumbs(group)) {
    const ariaLabel = `Keep ${thumb.firstChild.alt}`;
    const texts = { textContent: "Keep", ariaLabel, ariaPressed: false };
    const keep = element("button", { className: "keep", ...texts });
    thumb.after(keep, element("span", { className: "fate" }));
  }
}

const isMarked = (item) => item.classList.contains("kept");

function toggleMark(thumb) {
  const item = thumb?.closest("li");
  if (!item?.querySelector(".keep")) return;
  const group = item.closest(".group");
  const items = Array.from(group.querySelectorAll(".keep"), (keep) => keep.closest("li"));
  const isKept = !isMarked(item);
  for (const other of items) {  // a file stays, or goes, under all of its names
    const { file } = item.dataset;
    if (other === item || (file && other.dataset.file === file)) other.classList.toggle("kept", isKept);
  }
  const kept = new Set(items.filter(isMarked));
  for (const other of items) {
    const goes = kept.size > 0 && !kept.has(other) && !("stays" in other.dataset);
    other.classList.toggle("goes", goes);
    other.querySelector(".fate").textContent = goes ? "can go" : "";
    other.querySelector(".keep").ariaPressed = kept.has(other);
  }
  if (thumb === enlarged) get("keep").ariaPressed = kept.has(item);
  if (kept.size) marked.add(group);
  else marked.delete(group);
  unsaved = marked.size > 0;
  const { keep, remove } = decisions();
  get("marks").hidden = !marked.size;
  get("tally").textContent = `${count(keep.length)} to keep, ${count(remove.length)} can go`;
}

function decisions() {
  const items = all.filter((group) => marked.has(group))
    .flatMap((group) => [...group.querySelectorAll("li.kept, li.goes")]);
  const going = items.filter((item) => item.classList.contains("goes"));
  const places = new Map();  // by file: where all of its images go, it can
  for (const { dataset: { file } } of going) places.set(file, (places.get(file) ?? 0) + 1);
  const canGo = ({ dataset: { file } }) => !file || places.get(file) === (shared[file] ?? 1);
  return {
    keep: items.filter(isMarked).map(nameOf),
    remove: going.filter(canGo).map(nameOf),
  };
}

function nameOf(item) {  // in full: what is shown spells out what can't be read
  const { name } = item.dataset;
  return name ? JSON.parse(name) : item.querySelector(".name").textContent;
}

// As bytes: those of a name that are no UTF-8 are lone surrogates here, as they are in Python.
function endedWithNul(names) {
  return names.flatMap((name) => [...name.split(/([\udc80-\udcff])/u).map((part, n) =>
    n % 2 ? Uint8Array.of(part.charCodeAt(0) - 0xdc00) : part), "\0"]);
}

function save(name, parts) {
  const link = element("a", { href: URL.createObjectURL(new Blob(parts)), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  unsaved = false;
}

get("save-keep").addEventListener("click", () =>
  save("keep.null", endedWithNul(decisions().keep)));
get("save-remove").addEventListener("click", () =>
  save("can-go.null", endedWithNul(decisions().remove)));
get("save-json").addEventListener("click", () =>
  save("marks.json", [JSON.stringify(decisions(), null, 2), "\n"]));
window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });

// The viewer shows one image of a group, alone or with another one; its neighbours take its place.

let enlarged = null, partner = null, view = "one";

function enlarge(thumb) {
  if (!thumb) return;
  enlarged = thumb;
  const images = thumbs(thumb.closest(".group"));
  if (!images.includes(partner)) partner = images[0];
  get("place").textContent = `${images.indexOf(thumb) + 1} of ${images.length}`;
  const caption = thumb.closest("figure").querySelector("figcaption");
  get("caption").replaceChildren(caption.cloneNode(true));
  const others = images.filter((image) => image !== thumb);
  get("other").replaceChildren(...others.map((image) =>
    new Option(image.firstChild.alt, images.indexOf(image), false, image === partner)));
  get("views").hidden = !others.length;
  get("keep").hidden = !thumb.closest("li").querySelector(".keep");
  get("keep").ariaPressed = isMarked(thumb.closest("li"));
  show(images, others.includes(partner) ? partner : others[0]);
  if (viewer.open) return;
  viewer.showModal();
  viewer.focus();
}

function show(images, other) {
  const box = get("picture");
  const now = other ? view : "one";
  box.dataset.view = now;
  for (const button of get("views").children) {
    button.ariaPressed = button.dataset.view === now;
  }
  get("with").hidden = now === "one";
  get("swipe").hidden = now !== "swipe";
  get("legend").textContent = "";
  // As wide for the whole group, so that images can be compared by going back and forth.
  const width = 3 * Math.max(...images.map((image) => image.firstChild.getAttribute("width")));
  const pictures = (now === "one" ? [enlarged] : [other, enlarged]).map(({ firstChild: small }) =>
    Object.assign(new Image(), { src: small.src, alt: small.alt, width }));
  if (now === "one") box.replaceChildren(...pictures);
  else if (now === "side") box.replaceChildren(...pictures.flatMap((one) => [one, nameBelow(one)]));
  else box.replaceChildren(stacked(pictures, other.firstChild, width));
  if (now === "difference") measure(...pictures);
}

function nameBelow({ alt }) {
  return element("p", { textContent: alt, ariaHidden: true });
}

// One over the other, both as large as the one below.
function stacked(pictures, below, width) {
  const ariaLabel = pictures.map((picture) => picture.alt).join(" and ");
  const stack = element("div", { className: "stack", role: "img", ariaLabel });
  stack.style.setProperty("--width", width);
  stack.style.setProperty("--ratio", below.getAttribute("width") / below.getAttribute("height"));
  stack.append(...pictures);
  return stack;
}

async function measure(below, above) {
  await Promise.all([below.decode(), above.decode()]);
  const { naturalWidth: width, naturalHeight: height } = below;
  const [a, b] = [below, above].map((picture) => {
    const context = new OffscreenCanvas(width, height).getContext("2d");
    context.drawImage(picture, 0, 0, width, height);
    return context.getImageData(0, 0, width, height).data;
  });
  const sum = a.reduce((sum, value, n) => sum + Math.abs(value - b[n]), 0);
  const percent = (100 * sum / (a.length * 3 / 4 * 255)).toFixed(1);  // a fourth of it is opacity
  if (!below.isConnected) return;
  get("legend").textContent =
    `${percent} % different on average; black is equal, differences are four times as bright`;
}

function setView(name) {
  view = name;
  enlarge(enlarged);
}

function setSwipe(percent) {
  get("swipe").value = percent;
  get("picture").style.setProperty("--swipe", `${percent}%`);
}

function enlargeNext(by) {
  const images = thumbs(enlarged.closest(".group"));
  enlarge(images[images.indexOf(enlarged) + by]);
}

function enlargeGroup(by) {
  const place = shown.indexOf(enlarged.closest(".group"));
  for (let n = place + by; shown[n]; n += by) {
    build(shown[n]);
    const first = shown[n].querySelector("button.thumb");
    if (first) return enlarge(first);
  }
}

viewer.addEventListener("close", () => {
  moveTo(enlarged.closest(".group"));
  enlarged.focus();
});
get("previous").addEventListener("click", () => enlargeNext(-1));
get("next").addEventListener("click", () => enlargeNext(1));
get("keep").addEventListener("click", () => toggleMark(enlarged));
get("close").addEventListener("click", () => viewer.close());
get("views").addEventListener("click", ({ target }) => {
  if (target.dataset.view) setView(target.dataset.view);
});
get("other").addEventListener("change", ({ target }) => {
  partner = thumbs(enlarged.closest(".group"))[target.value];
  enlarge(enlarged);
});
get("swipe").addEventListener("input", ({ target }) => setSwipe(target.value));
get("picture").addEventListener("pointermove", ({ clientX }) => {
  if (view !== "swipe") return;
  const box = get("picture").firstChild.getBoundingClientRect();
  setSwipe(Math.min(Math.max(100 * (clientX - box.left) / box.width, 0), 100));
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("button.thumb")) enlarge(target.closest("button.thumb"));
  if (target.matches(".keep")) toggleMark(target.previousSibling);
});

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

filter.addEventListener("input", applyFilter);
new ResizeObserver(([header]) => {  // a group moved to stops below the header
  document.documentElement.style.setProperty("--header", `${header.target.offsetHeight}px`);
}).observe(document.querySelector("body > header"));
document.querySelectorAll("[data-script]").forEach((element) => { element.hidden = false; });

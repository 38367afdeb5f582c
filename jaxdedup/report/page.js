// Keys, the filter, the enlarged view, and the groups that are built when they come into view.

const main = document.querySelector("main");
const filter = document.getElementById("filter");
const status = document.getElementById("status");
const nothing = document.getElementById("nothing");
const viewer = document.getElementById("viewer");
const thumbs = (group) => [...group.querySelectorAll("button.thumb")];
const count = (n) => n.toLocaleString("en");

const all = [...main.querySelectorAll(".group")];
const names = all.map((group) =>
  Array.from(group.querySelectorAll(".name"), (name) => name.textContent).join("\n").toLowerCase());
const unbuilt = new Map();  // the HTML of the groups that were not in view so far

for (const [text, html] of JSON.parse(document.getElementById("rest").textContent)) {
  const group = document.createElement("section");
  group.className = "group";
  nothing.before(group);
  unbuilt.set(group, html);
  all.push(group);
  names.push(text.toLowerCase());
}

function build(group) {
  if (!unbuilt.has(group)) return;
  group.innerHTML = unbuilt.get(group);
  unbuilt.delete(group);
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

let shown = all;  // the groups that the filter lets through

function say(text) { status.textContent = text; }

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

function stepImage(by) {
  const group = document.activeElement.closest(".group");
  if (!group) return;
  const images = thumbs(group);
  const here = images.indexOf(document.activeElement);
  const next = here < 0 ? images.at(by > 0 ? 0 : -1) : images[here + by];
  if (next) next.focus();
}

function applyFilter() {
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  shown = all.filter((group, n) => {
    group.hidden = !words.every((word) => names[n].includes(word));
    return !group.hidden;
  });
  say(words.length ? `${count(shown.length)} of ${count(all.length)} groups` : "");
  nothing.hidden = shown.length > 0 || !all.length;
}

// The enlarged view shows one image of a group; its neighbours take the same place.
let enlarged = null;

function enlarge(thumb) {
  if (!thumb) return;
  enlarged = thumb;
  const small = thumb.querySelector("img");
  const large = new Image();
  large.src = small.src;
  large.alt = small.alt;
  // As wide for the whole group, so that images can be compared by going back and forth.
  const images = thumbs(thumb.closest(".group"));
  large.width = 3 * Math.max(...images.map((image) => image.firstChild.getAttribute("width")));
  document.getElementById("picture").replaceChildren(large);
  const caption = thumb.closest("figure").querySelector("figcaption").cloneNode(true);
  viewer.querySelector("figcaption").replaceWith(caption);
  const place = images.indexOf(thumb) + 1;
  document.getElementById("place").textContent = `${place} of ${images.length}`;
  if (viewer.open) return;
  viewer.showModal();
  viewer.focus();
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
document.getElementById("previous").addEventListener("click", () => enlargeNext(-1));
document.getElementById("next").addEventListener("click", () => enlargeNext(1));
document.getElementById("close").addEventListener("click", () => viewer.close());

document.addEventListener("click", (event) => {
  const thumb = event.target.closest("button.thumb");
  if (thumb) enlarge(thumb);
});

const onPage = {
  ArrowDown: () => step(1), j: () => step(1),
  ArrowUp: () => step(-1), k: () => step(-1),
  ArrowRight: () => stepImage(1), l: () => stepImage(1),
  ArrowLeft: () => stepImage(-1), h: () => stepImage(-1),
  "/": () => { filter.focus(); filter.select(); },
};
const inViewer = {
  ArrowRight: () => enlargeNext(1), l: () => enlargeNext(1),
  ArrowLeft: () => enlargeNext(-1), h: () => enlargeNext(-1),
  ArrowDown: () => enlargeGroup(1), j: () => enlargeGroup(1),
  ArrowUp: () => enlargeGroup(-1), k: () => enlargeGroup(-1),
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

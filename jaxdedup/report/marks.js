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
    const isSame = other === item || (file && other.dataset.file === file);
    if (isSame) other.classList.toggle("kept", isKept);
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

on("save-keep", "click", () => save("keep.null", endedWithNul(decisions().keep)));
on("save-remove", "click", () => save("can-go.null", endedWithNul(decisions().remove)));
on("save-json", "click", () => save("marks.json", [JSON.stringify(decisions(), null, 2), "\n"]));
window.addEventListener("beforeunload", (event) => { if (unsaved) event.preventDefault(); });

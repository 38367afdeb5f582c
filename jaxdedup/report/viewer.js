// The viewer shows one image of a group, alone or with another one; its neighbours take its place.

const viewer = get("viewer");
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
  const sum = a.reduce((sum, value, n) => sum + Math.abs(value - b[n]), 0);  // opacity is equal
  const percent = (100 * sum / (3 * width * height * 255)).toFixed(1);
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

on("viewer", "close", () => {
  moveTo(enlarged.closest(".group"));
  enlarged.focus();
});
on("previous", "click", () => enlargeNext(-1));
on("next", "click", () => enlargeNext(1));
on("keep", "click", () => toggleMark(enlarged));
on("close", "click", () => viewer.close());
on("views", "click", ({ target }) => {
  if (target.dataset.view) setView(target.dataset.view);
});
on("other", "change", ({ target }) => {
  partner = thumbs(enlarged.closest(".group"))[target.value];
  enlarge(enlarged);
});
on("swipe", "input", ({ target }) => setSwipe(target.value));
on("picture", "pointermove", ({ clientX }) => {
  if (view !== "swipe") return;
  const box = get("picture").firstChild.getBoundingClientRect();
  setSwipe(Math.min(Math.max(100 * (clientX - box.left) / box.width, 0), 100));
});
document.addEventListener("click", ({ target }) => {
  if (target.closest("button.thumb")) enlarge(target.closest("button.thumb"));
  if (target.matches(".keep")) toggleMark(target.previousSibling);
});

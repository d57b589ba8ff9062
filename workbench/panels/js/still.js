// A still picture of the panel for the saved notebook: the page draws itself into a WebP, which the kernel puts beside the widget.
// Where a browser refuses (tainted canvas, no WebP), the line of words stays.
const COPIED = ["--jp-layout-color0", "--jp-layout-color1", "--jp-ui-font-color0", "--jp-ui-font-color1"];

async function stillOf(root, style) {
  const { width, height } = root.getBoundingClientRect();
  if (!width || !height || height > 8000) return null;
  const copy = root.cloneNode(true), theirs = copy.querySelectorAll("*");
  root.querySelectorAll("*").forEach((mine, i) => frozen(mine, theirs[i]));
  copy.querySelectorAll(".wb-toast, .wb-dialog").forEach((node) => node.remove());
  const look = getComputedStyle(root), colours = COPIED.map((name) => `${name}:${look.getPropertyValue(name)}`).join(";");
  copy.setAttribute("style", `${colours};width:${width}px;margin:0`);
  const body = document.createElement("body"), sheet = document.createElement("style");
  body.setAttribute("data-jp-theme-light", document.body.getAttribute("data-jp-theme-light") || "true");
  body.setAttribute("style", "margin:0");
  sheet.textContent = style;
  body.append(sheet, copy);
  const text = new XMLSerializer().serializeToString(body);
  const drawing = `<svg xmlns="${SVG}" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${text}</foreignObject></svg>`;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(drawing)}`;
  await image.decode();
  const canvas = h("canvas", { width: Math.round(width), height: Math.round(height) }), brush = canvas.getContext("2d");
  brush.drawImage(image, 0, 0);
  const blob = await new Promise((done) => canvas.toBlob(done, "image/webp", 0.86));
  return blob && blob.type === "image/webp" ? blob.arrayBuffer() : null;
}

// What a node shows but does not say in its attributes.
function frozen(mine, copy) {
  if (mine.tagName === "CANVAS" && mine.width) {
    const picture = h("img", { src: mine.toDataURL(), style: mine.getAttribute("style"), class: mine.getAttribute("class") });
    picture.style.width = `${mine.clientWidth}px`; picture.style.height = `${mine.clientHeight}px`;
    copy.replaceWith(picture);
  } else if (mine.tagName === "INPUT") copy.setAttribute("value", mine.value);
  else if (mine.tagName === "OPTION") { if (mine.selected) copy.setAttribute("selected", ""); else copy.removeAttribute("selected"); }
  else if (mine.tagName === "TEXTAREA") copy.textContent = mine.value;
}

// Sends a still when the panel has been quiet for a while, and only when it looks different from the last.
const QUIET = 1500, APART = 8000;
function stills(root, model, send) {
  let timer = null, last = 0, before = "";
  async function take() {
    if (!root.isConnected || document.hidden) return;
    const now = root.outerHTML;
    if (now === before) return;
    before = now; last = Date.now();
    try {
      const bytes = await stillOf(root, model.get("_css") || "");
      if (bytes) send(bytes, Math.round(root.getBoundingClientRect().width));
    } catch { /* this browser does not draw a page into a picture */ }
  }
  return {
    soon() { clearTimeout(timer); timer = setTimeout(take, Math.max(QUIET, last + APART - Date.now())); },
    close() { clearTimeout(timer); },
  };
}

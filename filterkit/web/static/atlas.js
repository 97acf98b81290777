// The picture of every kernel of a model: zoom, move, and the address of what is under the pointer.
"use strict";

const root = document.getElementById("atlas");
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const STEP = 0.25; // of the picture, per arrow key
const ZOOM = 1.6; // per plus or minus
const REST = 200; // milliseconds without movement, after which the place is kept
const DEEPEST = 64; // pixels of the screen per weight

function make(name, parent, given = {}) {
  const { text = "", ...attributes } = given;
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  parent.append(element);
  return element;
}

// The address of a pixel: the inverse of the layout, as `Layout.find` on the server.
function addressOf(plan, x, y) {
  const layer = plan.layers.find(
    (each) => x >= each.x && x < each.x + each.width && y >= each.y && y < each.y + each.height,
  );
  if (!layer) return null;
  const [width, height] = layer.block;
  const column = Math.floor((x - layer.x) / width), row = Math.floor((y - layer.y) / height);
  const inX = x - layer.x - column * width, inY = y - layer.y - row * height;
  const slot = row * layer.across + column;
  const kernel = Math.floor(inY / layer.cell[1]) * layer.columns + Math.floor(inX / layer.cell[0]);
  const inside = inX < width - layer.margin && inY < height - layer.margin;
  if (!inside || slot >= layer.filters || kernel >= layer.kernels) return null;
  return `${layer.address}/${layer.order ? layer.order[slot] : slot}/${kernel}`;
}

// The page of a kernel; where no server serves it, of what there is a page of: the kernel, its filter or layer.
function pageOf(plan, address) {
  const parts = address.split("/");
  if (!plan.pages) return `/m/${parts.map(encodeURIComponent).join("/")}`;
  const [filter, kernel] = parts.slice(-2).map(Number);
  const layer = plan.pages[parts.slice(0, -2).join("/")];
  if (!layer) return null;
  const has = (ranges, number) => ranges.some(([first, last]) => number >= first && number <= last);
  const folder = layer.page.slice(0, -".html".length);
  if (!has(layer.filters, filter)) return layer.page;
  return has(layer.kernels, kernel) ? `${folder}/${filter}/${kernel}.html` : `${folder}/${filter}.html`;
}

async function load(tiles) {
  const inline = document.getElementById("atlas-plan"); // in pages that no server serves
  if (inline) return JSON.parse(inline.textContent);
  const answer = await fetch(`${tiles}/plan.json?format=json`);
  const plan = await answer.json();
  if (!answer.ok) throw new Error([plan.error, plan.hint].filter(Boolean).join(" – "));
  return plan;
}

function show(plan, tiles) {
  const view = make("div", root, { class: "view" });
  // OpenSeadragon adds a sheet that hides the focus, which our policy refuses, unless it finds such an element.
  const sheet = document.createElementNS(null, "style"); // of no namespace: no sheet at all
  sheet.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(sheet);
  const viewer = OpenSeadragon({
    element: view,
    drawer: "canvas", // without a GPU, WebGL is many times slower
    tileSources: {
      width: plan.width,
      height: plan.height,
      tileSize: plan.tile,
      minLevel: 0,
      maxLevel: plan.levels,
      getTileUrl: (level, x, y) => `${tiles}/${level}/${x}/${y}.png`,
      tileExists: (level) => level <= (plan.deepest ?? plan.levels),
    },
    showNavigationControl: false,
    keyboardNavEnabled: false,
    animationTime: still ? 0 : 0.4,
    blendTime: 0,
    imageLoaderLimit: 6,
    maxImageCacheCount: 300,
    maxZoomPixelRatio: DEEPEST,
    minZoomImageRatio: 0.8,
    visibilityRatio: 0.2,
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: false },
    gestureSettingsTouch: { clickToZoom: false, dblClickToZoom: false, flickEnabled: !still },
    gestureSettingsPen: { clickToZoom: false, dblClickToZoom: false },
  });
  const { viewport, canvas } = viewer;
  make("div", root, { class: "crosshair", "aria-hidden": "true" });
  const minimap = make("div", root, { class: "minimap", "aria-hidden": "true" });
  make("img", minimap, { src: `${tiles}/0/0/0.png`, alt: "", draggable: "false" });
  const frame = make("div", minimap, { class: "frame" });
  const bar = make("div", root, { class: "bar" });
  const buttons = [["+", "Zoom in"], ["−", "Zoom out"], ["Whole", "Show the whole picture"]].map(
    ([text, label]) => make("button", bar, { type: "button", "aria-label": label, title: label, text }),
  );
  const under = make("a", bar, { class: "address" });
  const spoken = make("p", root, { class: "hidden", "aria-live": "polite" });
  const keys = "Drag and scroll, or focus the picture: arrows move it, plus and minus zoom, 0 shows all of it, "
    + "Enter opens the kernel in the middle. A click opens the kernel under the pointer.";
  make("p", root, { class: "note", id: "atlas-keys", text: keys });
  for (const [key, value] of Object.entries({
    role: "application",
    "aria-label": `All kernels of ${plan.model}`,
    "aria-describedby": "atlas-keys",
  })) canvas.setAttribute(key, value);

  let pointer = null; // where the pointer is in the view
  let image = null;

  function addressAt(point) {
    const { x, y } = image.viewerElementToImageCoordinates(point);
    return addressOf(plan, Math.floor(x), Math.floor(y));
  }

  function open(address) {
    const page = address && pageOf(plan, address);
    if (page) location.assign(page);
  }

  const middle = () => viewport.viewportToViewerElementCoordinates(viewport.getCenter(true));
  const scale = (current) => image.viewportToImageZoom(viewport.getZoom(current));

  function label() {
    const address = addressAt(pointer ?? middle());
    under.textContent = address ?? "–";
    const page = address && pageOf(plan, address);
    if (page) under.setAttribute("href", page);
    else under.removeAttribute("href");
  }

  let isWaiting = false;
  let resting = 0;
  function refresh() {
    clearTimeout(resting);
    resting = setTimeout(keep, REST);
    if (isWaiting || !image) return;
    isWaiting = true;
    requestAnimationFrame(() => {
      isWaiting = false;
      label();
      const bounds = image.viewportToImageRectangle(viewport.getBounds(true));
      const unit = minimap.clientWidth / plan.width;
      frame.style.transform = `translate(${bounds.x * unit}px, ${bounds.y * unit}px)`;
      frame.style.width = `${Math.max(bounds.width * unit, 3)}px`;
      frame.style.height = `${Math.max(bounds.height * unit, 3)}px`;
      viewer.drawer.setImageSmoothingEnabled(scale(true) < 1);
    });
  }

  // Where we are, as #z,x,y: the logarithm of pixels per weight, and the pixel in the middle.
  function keep() {
    if (!image) return;
    if (!location.hash && Math.abs(viewport.getZoom() / viewport.getHomeZoom() - 1) < 1e-6) return;
    const { x, y } = image.viewportToImageCoordinates(viewport.getCenter());
    const place = `#${Math.log2(scale()).toFixed(2)},${x.toFixed(1)},${y.toFixed(1)}`;
    if (place !== location.hash) history.replaceState(history.state, "", place);
    if (document.activeElement === canvas && !pointer) spoken.textContent = addressAt(middle()) ?? "no kernel";
  }

  function goTo(hash, immediately) {
    const [z, x, y] = hash.slice(1).split(",").map(Number);
    if (![z, x, y].every(Number.isFinite)) return false;
    viewport.zoomTo(image.imageToViewportZoom(2 ** z), null, immediately);
    viewport.panTo(image.imageToViewportCoordinates(x, y), immediately);
    viewport.applyConstraints(immediately);
    return true;
  }

  function mark(x, y, width, height) {
    const around = Math.max(width, height) * 0.1 + 12;
    const rectangle = image.imageToViewportRectangle(
      x - around, y - around, width + 2 * around, height + 2 * around,
    );
    const element = document.createElement("div");
    element.className = "marked";
    viewer.addOverlay(element, image.imageToViewportRectangle(x, y, width, height));
    if (!goTo(location.hash, true)) viewport.fitBounds(rectangle, true);
  }

  viewer.addHandler("open", () => {
    image = viewer.world.getItemAt(0);
    if (root.dataset.place) mark(...root.dataset.place.split(" ").map(Number));
    else goTo(location.hash, true);
    image.addHandler("fully-loaded-change", ({ fullyLoaded }) => {
      if (fullyLoaded && !("loaded" in root.dataset)) performance.mark("atlas loaded");
      if (fullyLoaded) root.dataset.loaded = "";
    });
    refresh();
    root.dataset.ready = "";
  });
  viewer.addHandler("viewport-change", refresh);
  viewer.addHandler("resize", refresh);
  addEventListener("hashchange", () => goTo(location.hash, still));

  view.addEventListener("pointermove", (event) => {
    const { left, top } = view.getBoundingClientRect();
    pointer = new OpenSeadragon.Point(event.clientX - left, event.clientY - top);
    refresh();
  });
  view.addEventListener("pointerleave", () => {
    pointer = null;
    refresh();
  });
  viewer.addHandler("canvas-click", (event) => {
    const address = event.quick && addressAt(event.position);
    open(address);
  });

  const home = () => viewport.goHome(still);
  const zoom = (factor) => viewport.zoomBy(factor, null, still) && viewport.applyConstraints(still);
  const pan = (x, y) => {
    const { width, height } = viewport.getBounds();
    viewport.panBy(new OpenSeadragon.Point(x * width * STEP, y * height * STEP), still);
    viewport.applyConstraints(still);
  };
  const actions = {
    ArrowLeft: () => pan(-1, 0),
    ArrowRight: () => pan(1, 0),
    ArrowUp: () => pan(0, -1),
    ArrowDown: () => pan(0, 1),
    "+": () => zoom(ZOOM),
    "=": () => zoom(ZOOM),
    "-": () => zoom(1 / ZOOM),
    0: home,
    Enter: () => {
      const address = addressAt(middle());
      open(address);
    },
  };
  canvas.addEventListener("keydown", (event) => {
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    pointer = null;
    action();
    refresh();
  });
  buttons[0].addEventListener("click", () => zoom(ZOOM));
  buttons[1].addEventListener("click", () => zoom(1 / ZOOM));
  buttons[2].addEventListener("click", home);

  // Another colour or order shows the same place, unless another address was typed.
  const form = document.querySelector("form.fields");
  form?.addEventListener("submit", () => {
    const { address } = form.elements;
    form.action = location.pathname + (address.value === address.defaultValue ? location.hash : "");
  });

  function center(event) {
    if (event.type === "pointermove" && !event.buttons) return;
    const { left, top, width } = minimap.getBoundingClientRect();
    const unit = plan.width / width;
    const point = image.imageToViewportCoordinates((event.clientX - left) * unit, (event.clientY - top) * unit);
    viewport.panTo(point, still || event.type === "pointermove");
  }
  minimap.addEventListener("pointerdown", center);
  minimap.addEventListener("pointermove", center);
}

if (root) {
  const { tiles } = root.dataset;
  load(tiles).then((plan) => show(plan, tiles)).catch((error) => {
    make("p", root, { class: "error", role: "alert", text: `The picture cannot be shown: ${error.message}` });
  });
}

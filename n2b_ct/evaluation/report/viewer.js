"use strict";

// The slice viewer: one state, one function that draws it, and controls that change it.
(() => {
  const root = document.getElementById("viewer");
  if (!root) return;
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const find = (name) => root.querySelector(`[data-part="${name}"]`);
  const stage = find("stage");
  if (!window.viewerPlanes.supported) {
    stage.textContent = "This browser is too old to unpack the slices; the folder figures/ holds them as PNG.";
    return;
  }

  const ANCHOR = data.anchor; // the low dose; where nobody has it, what stands in its place
  const REFERENCE = data.methods.find((method) => method.role === "reference")?.name;
  const MAX_ZOOM = 24;
  const state = {
    slice: 0,
    lower: data.windows[0].lower,
    upper: data.windows[0].upper,
    shown: new Set(data.shown),
    difference: "removed", // "removed": anchor − image, "error": image − reference, "none"
    limit: null, // of the differences, HU; null: the slice's own
    smooth: true,
    zoom: 1,
    centre: [0.5, 0.5], // of the view, in parts of the stage's image
    pointer: null, // [column, row] under the pointer
  };
  let tiles = [];
  let loaded = { slice: data.slices[0], planes: new Map() }; // what is drawn; state is what is wanted
  let wanted = 0;
  let frame = 0;

  const images = window.viewerImages;
  const placeOn = (canvas) => images.placeOn(canvas, loaded.slice, state.zoom, state.centre);
  const current = () => data.slices[state.slice];
  const ofDose = (dose) => data.slices.flatMap((slice, k) => (slice.dose === dose ? [k] : []));
  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  const signed = (value) => String(Math.round(value)).replace("-", "−");
  const limit = () => state.limit ?? current().limit;
  const aspect = Math.max(...data.slices.map((slice) => slice.rows / slice.cols));

  // ---- images -----------------------------------------------------------------------------------------------

  const differenceOf = (method) => {
    const other = state.difference === "error" ? REFERENCE : ANCHOR;
    const [a, b] = state.difference === "error" ? [method, other] : [other, method];
    const [minuend, subtrahend] = [loaded.planes.get(a), loaded.planes.get(b)];
    return method === other || !minuend || !subtrahend ? null : minuend.map((value, k) => value - subtrahend[k]);
  };

  const drawTile = (tile) => {
    const { canvas } = tile;
    const context = canvas.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    const hu = tile.hu();
    tile.figure.classList.toggle("empty", !hu);
    if (!hu) return;
    const [lower, upper] = tile.range();
    const key = `${lower} ${upper}`;
    if (tile.key !== key || tile.of !== hu) {
      Object.assign(tile, { key, of: hu, image: images.paint(hu, loaded.slice, lower, upper) });
    }
    const place = placeOn(canvas);
    context.imageSmoothingEnabled = state.smooth;
    context.imageSmoothingQuality = "high";
    const { rows, cols } = loaded.slice;
    context.drawImage(tile.image, place.left, place.top, cols * place.scale, rows * place.scale);
    if (state.pointer) images.drawCross(context, place, state.pointer);
    const value = state.pointer && hu[state.pointer[1] * cols + state.pointer[0]];
    tile.value.textContent = value === null ? "" : `${signed(value)} HU`;
  };

  const fit = (canvas) => {
    const ratio = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((size) => Math.round(size * ratio));
    if (width && (canvas.width !== width || canvas.height !== height)) Object.assign(canvas, { width, height });
  };

  const draw = () => {
    frame = 0;
    tiles.forEach((tile) => fit(tile.canvas));
    tiles.forEach(drawTile);
  };
  const redraw = () => { frame ||= requestAnimationFrame(draw); };

  // ---- tiles --------------------------------------------------------------------------------------------------

  const element = (name, className, text = "") => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };

  const addTile = (method, kind) => {
    const figure = element("figure", `tile ${kind}`);
    const caption = element("figcaption", "");
    const canvas = element("canvas", "");
    const value = element("span", "value");
    canvas.style.aspectRatio = `1 / ${aspect}`;
    canvas.setAttribute("role", "img");
    figure.append(caption, canvas);
    stage.append(figure);
    let known = null; // the difference is made once for each slice
    const hu = () => {
      if (kind === "image") return loaded.planes.get(method.name);
      if (known?.of !== loaded) known = { of: loaded, hu: differenceOf(method.name) };
      return known.hu;
    };
    const range = () => (kind === "image" ? [state.lower, state.upper] : [-limit(), limit()]);
    tiles.push({ method, kind, figure, caption, canvas, value, hu, range });
  };

  const differenceName = (method) => {
    const other = data.methods.find((own) => own.name === (state.difference === "error" ? REFERENCE : ANCHOR));
    if (method === other) return "Differences";
    return state.difference === "error" ? `${method.label} − ${other.label}` : `${other.label} − ${method.label}`;
  };

  const nameTile = (tile) => {
    const isImage = tile.kind === "image";
    const name = isImage ? tile.method.label : differenceName(tile.method);
    const scale = `black −${limit()}, grey 0, white +${limit()} HU`;
    const note = isImage ? current().measures[tile.method.name] : scale;
    const line = element("span", "line");
    line.append(element("b", "", name), tile.value);
    tile.caption.replaceChildren(line, element("small", "", note || "\u00a0"));
    tile.canvas.setAttribute("aria-label", `${name}, ${current().label}`);
  };

  const layOut = () => {
    const methods = data.methods.filter((method) => state.shown.has(method.name));
    stage.replaceChildren();
    tiles = [];
    stage.style.setProperty("--columns", Math.max(1, methods.length));
    methods.forEach((method) => addTile(method, "image"));
    if (state.difference !== "none") methods.forEach((method) => addTile(method, "difference"));
    root.style.setProperty("--columns", Math.max(1, methods.length));
  };

  // Unpack what is to be seen, then draw; a later wish overtakes an earlier one.
  const show = async () => {
    const ticket = ++wanted;
    const slice = current();
    const needed = new Set([ANCHOR, ...(REFERENCE ? [REFERENCE] : []), ...state.shown]);
    const names = [...needed].filter((name) => name in slice.planes);
    const unpacked = await Promise.all(
      names.map((name) => window.viewerPlanes.load(slice.planes[name], slice.rows, slice.cols)),
    );
    if (ticket !== wanted) return;
    loaded = { slice, planes: new Map(names.map((name, k) => [name, unpacked[k]])) };
    if (state.pointer?.[0] >= slice.cols || state.pointer?.[1] >= slice.rows) state.pointer = null;
    tiles.forEach(nameTile);
    draw();
  };

  // ---- controls ------------------------------------------------------------------------------------------------

  const tell = () => {
    const slice = current();
    const same = ofDose(slice.dose);
    find("position").max = String(same.length - 1);
    find("position").value = String(same.indexOf(state.slice));
    find("position").disabled = same.length < 2;
    find("position").setAttribute("aria-valuetext", slice.label);
    const place = same.length > 1 ? ` (${same.indexOf(state.slice) + 1} of ${same.length})` : "";
    find("where").textContent = slice.label + place;
    find("why").textContent = slice.caption;
    find("level").value = String(Math.round((state.lower + state.upper) / 2));
    find("width").value = String(Math.round(state.upper - state.lower));
    find("limit").value = String(limit());
    find("zoomed").textContent = `${Math.round(100 * state.zoom)} %`;
    root.querySelectorAll("[name=viewer-dose]").forEach((radio) => { radio.checked = radio.value === slice.dose; });
    root.querySelectorAll("[name=viewer-window]").forEach((radio) => {
      const preset = data.windows[Number(radio.value)];
      radio.checked = preset.lower === state.lower && preset.upper === state.upper;
    });
  };

  const change = (next, lays = false) => {
    Object.assign(state, next);
    if (lays) layOut();
    tell();
    return show();
  };

  // The slice of another dose that lies at the same place, or nearest to it.
  const sameAt = (dose) => {
    const here = current();
    const far = (slice) => [slice.series !== here.series, Math.abs(slice.index - here.index)];
    const ranked = ofDose(dose).map((k) => [far(data.slices[k]), k]);
    ranked.sort(([a], [b]) => a[0] - b[0] || a[1] - b[1]);
    return ranked[0][1];
  };
  const step = (by) => {
    const same = ofDose(current().dose);
    return change({ slice: same[clamp(same.indexOf(state.slice) + by, 0, same.length - 1)] });
  };
  const stepDose = (by) => {
    const place = data.doses.indexOf(current().dose);
    return change({ slice: sameAt(data.doses[clamp(place + by, 0, data.doses.length - 1)]) });
  };
  const setWindow = (level, width) => {
    const half = Math.max(1, width) / 2;
    if (Number.isFinite(level) && Number.isFinite(half)) change({ lower: level - half, upper: level + half });
  };
  const preset = (k) => data.windows[k] && change({ lower: data.windows[k].lower, upper: data.windows[k].upper });

  const view = (zoom, centre) => {
    const half = 0.5 / zoom;
    state.zoom = zoom;
    state.centre = centre.map((part) => (zoom <= 1 ? 0.5 : clamp(part, Math.min(half, 0.5), Math.max(1 - half, 0.5))));
    find("zoomed").textContent = `${Math.round(100 * zoom)} %`;
    redraw();
  };
  // Zoom about a place of the image that stays where it is on the screen.
  const zoomBy = (factor, about = state.centre) => {
    const zoom = clamp(state.zoom * factor, 1, MAX_ZOOM);
    view(zoom, state.centre.map((part, axis) => about[axis] + ((part - about[axis]) * state.zoom) / zoom));
  };
  const pan = (right, down) => view(state.zoom, [state.centre[0] + right / state.zoom, state.centre[1] + down / state.zoom]);

  const on = (name, event, act) => find(name).addEventListener(event, act);
  on("position", "input", (event) => change({ slice: ofDose(current().dose)[Number(event.target.value)] }));
  on("level", "change", () => setWindow(Number(find("level").value), Number(find("width").value)));
  on("width", "change", () => setWindow(Number(find("level").value), Number(find("width").value)));
  on("limit", "change", (event) => change({ limit: Math.max(1, Math.round(Number(event.target.value))) || null }));
  on("closer", "click", () => zoomBy(1.5));
  on("farther", "click", () => zoomBy(1 / 1.5));
  on("fit", "click", () => view(1, [0.5, 0.5]));
  on("smooth", "change", (event) => { state.smooth = event.target.checked; redraw(); });
  on("full", "click", () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen()));
  root.addEventListener("change", ({ target }) => {
    if (target.name === "viewer-dose") change({ slice: sameAt(target.value) });
    if (target.name === "viewer-window") preset(Number(target.value));
    if (target.name === "viewer-difference") change({ difference: target.value }, true);
    if (target.name === "viewer-method") {
      state.shown[target.checked ? "add" : "delete"](target.value);
      change({}, true);
    }
  });

  // ---- pointer and keys ---------------------------------------------------------------------------------------

  // Part of the image [0, 1]² under the pointer, on whichever canvas it is.
  const partAt = (event) => {
    const canvas = event.target.closest("canvas");
    if (!canvas) return null;
    const box = canvas.getBoundingClientRect();
    const place = placeOn(canvas);
    const { rows, cols } = loaded.slice;
    const x = ((event.clientX - box.left) / box.width) * canvas.width;
    const y = ((event.clientY - box.top) / box.height) * canvas.height;
    return [(x - place.left) / (place.scale * cols), (y - place.top) / (place.scale * rows)];
  };
  const pixelAt = (part) => {
    const { rows, cols } = loaded.slice;
    const inside = part && part.every((value) => value >= 0 && value < 1);
    return inside ? [Math.floor(part[0] * cols), Math.floor(part[1] * rows)] : null;
  };

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    if (!event.target.closest("canvas") || event.button !== 0) return;
    stage.focus({ preventScroll: true });
    event.target.setPointerCapture(event.pointerId);
    const isWindow = event.shiftKey;
    drag = { x: event.clientX, y: event.clientY, part: partAt(event), isWindow, lower: state.lower, upper: state.upper };
  });
  stage.addEventListener("pointermove", (event) => {
    const part = partAt(event);
    if (drag?.isWindow) {
      const width = drag.upper - drag.lower;
      const level = (drag.upper + drag.lower) / 2 + Math.round((drag.y - event.clientY) * (width / 400));
      setWindow(level, Math.round(width * 1.005 ** (event.clientX - drag.x)));
    } else if (drag && part) {
      view(state.zoom, state.centre.map((own, axis) => own + drag.part[axis] - part[axis]));
    }
    state.pointer = pixelAt(partAt(event));
    redraw();
  });
  ["pointerup", "pointercancel"].forEach((name) => stage.addEventListener(name, () => { drag = null; }));
  stage.addEventListener("pointerleave", () => { state.pointer = null; redraw(); });
  stage.addEventListener("dblclick", () => view(1, [0.5, 0.5]));
  stage.addEventListener("wheel", (event) => {
    const part = partAt(event);
    if (!part || !(event.ctrlKey || stage.contains(document.activeElement))) return;
    event.preventDefault();
    zoomBy(1.0018 ** -event.deltaY, part);
  }, { passive: false });

  const KEYS = {
    ArrowLeft: () => pan(-0.1, 0), ArrowRight: () => pan(0.1, 0), ArrowUp: () => pan(0, -0.1), ArrowDown: () => pan(0, 0.1),
    PageUp: () => step(-1), PageDown: () => step(1), ",": () => step(-1), ".": () => step(1),
    "[": () => stepDose(-1), "]": () => stepDose(1),
    "+": () => zoomBy(1.5), "=": () => zoomBy(1.5), "-": () => zoomBy(1 / 1.5), 0: () => view(1, [0.5, 0.5]),
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const act = KEYS[event.key] ?? (/^[1-9]$/.test(event.key) ? () => preset(Number(event.key) - 1) : null);
    if (!act) return;
    event.preventDefault();
    act();
  });

  new ResizeObserver(redraw).observe(stage);
  window.addEventListener("beforeprint", draw);
  root.hidden = false;
  change({}, true);
})();

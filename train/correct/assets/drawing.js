/* The outline and its handles over the frame: shown, dragged, and moved with keys. */

function makeDrawing(stage, svg, view, { onchange, oncommit }) {
  const KNOB = 2.1 * parseFloat(getComputedStyle(document.documentElement).fontSize);
  const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const ENDS = { "a+": ["a", 1], "a-": ["a", -1], "b+": ["b", 1], "b-": ["b", -1] };
  const LABELS = {
    center: "Center", turn: "Rotation",
    "a+": "End of the first axis", "a-": "Other end of the first axis",
    "b+": "End of the second axis", "b-": "Other end of the second axis",
  };
  let outline = { kind: "none" }, selected = null, drag = null;

  function make(name, parent, attributes = {}) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    parent.append(node);
    return node;
  }

  const lines = ["halo", "outline", "grip"].map((kind) => make("path", svg, { class: kind }));
  const stem = make("line", svg, { class: "stem" });
  const knobs = make("g", svg);

  /* Name and place of every handle, on the screen. */
  function handles() {
    if (outline.kind === "none") return [];
    const middle = ["center", view.toScreen(Outlines.center(outline))];
    if (outline.kind === "polygon")
      return [middle, ...outline.points.map((point, i) => [`point ${i}`, view.toScreen(point)])];
    const place = (u, v) => view.toScreen(Outlines.at(outline, u, v));
    const away = outline.a + KNOB / view.scale();
    return [
      middle,
      ["a+", place(outline.a, 0)], ["a-", place(-outline.a, 0)],
      ["b+", place(0, outline.b)], ["b-", place(0, -outline.b)],
      ["turn", place(away, 0)],
    ];
  }

  function path() {
    if (outline.kind === "none") return "";
    if (outline.kind === "polygon")
      return `M${outline.points.map((point) => view.toScreen(point).join()).join("L")}Z`;
    const [a, b] = [outline.a * view.scale(), outline.b * view.scale()];
    const [from, to] = [-outline.a, outline.a].map((u) => view.toScreen(Outlines.at(outline, u, 0)));
    const arc = `A${a} ${b} ${outline.angle_deg} 0 1`;
    return `M${from} ${arc} ${to} ${arc} ${from}Z`;
  }

  function render() {
    const all = handles();
    for (const line of lines) line.setAttribute("d", path());
    svg.classList.toggle("polygon", outline.kind === "polygon");
    while (knobs.childElementCount > all.length) knobs.lastChild.remove();
    while (knobs.childElementCount < all.length) {
      const knob = make("g", knobs, { tabindex: 0, role: "button" });
      make("circle", knob, { class: "target", r: 15 });
      make("circle", knob, { class: "dot", r: 6.5 });
    }
    all.forEach(([name, [x, y]], i) => {
      const knob = knobs.children[i];
      knob.dataset.handle = name;
      knob.setAttribute("transform", `translate(${x} ${y})`);
      knob.setAttribute("class", `handle ${name.split(" ")[0]}${name === selected ? " selected" : ""}`);
      knob.setAttribute("aria-label", LABELS[name] ?? `Point ${Number(name.slice(6)) + 1}`);
    });
    stem.style.display = outline.kind === "ellipse" ? "" : "none";
    if (outline.kind === "ellipse") {
      const [from, to] = [all[1][1], all[5][1]];
      Object.entries({ x1: from[0], y1: from[1], x2: to[0], y2: to[1] })
        .forEach(([key, value]) => stem.setAttribute(key, value));
    }
  }

  /* The outline after a handle was dragged between two places of the frame. */
  function dragged(start, name, from, to, mirror) {
    const [dx, dy] = [to[0] - from[0], to[1] - from[1]];
    if (name === "center") return Outlines.moved(start, dx, dy);
    if (name === "turn") return Outlines.turned(start, from, to);
    if (name in ENDS) return Outlines.stretched(start, ...ENDS[name], dx, dy, mirror);
    const index = Number(name.slice(6)), [x, y] = start.points[index];
    return Outlines.withPoint(start, index, [x + dx, y + dy]);
  }

  function grab(event) {
    const knob = event.target.closest("[data-handle]");
    const place = view.toFrame([event.clientX, event.clientY]);
    if (knob) return { name: knob.dataset.handle, start: outline, from: place };
    if (!event.target.classList.contains("grip")) return { name: null, x: event.clientX, y: event.clientY };
    if (outline.kind === "ellipse") return { name: "center", start: outline, from: place };
    const { index, polygon } = Outlines.inserted(outline, place);
    return { name: `point ${index}`, start: polygon, from: place, changed: true };
  }

  function finish(keep) {
    if (!drag) return;
    const done = drag;
    drag = null;
    stage.classList.remove("panning");
    if (!done.name) return;
    if (!keep) onchange(done.before);
    else if (done.changed) oncommit(done.before);
  }

  stage.addEventListener("mousedown", (event) => {
    event.preventDefault();  // arrow keys go on choosing frames after a drag
    stage.focus({ preventScroll: true });
  });
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || drag) return;
    drag = { ...grab(event), before: outline };
    stage.setPointerCapture(event.pointerId);
    stage.classList.toggle("panning", !drag.name);
    selected = drag.name;
    if (drag.changed) onchange(drag.start); else render();
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    if (drag.name) {
      drag.changed = true;
      const to = view.toFrame([event.clientX, event.clientY]);
      onchange(dragged(drag.start, drag.name, drag.from, to, event.shiftKey));
    } else {
      view.pan(event.clientX - drag.x, event.clientY - drag.y);
      [drag.x, drag.y] = [event.clientX, event.clientY];
    }
  });
  stage.addEventListener("pointerup", () => finish(true));
  stage.addEventListener("pointercancel", () => finish(false));
  stage.addEventListener("dblclick", (event) => {
    // The stage has captured the pointer, and is the target.
    const knob = document.elementFromPoint(event.clientX, event.clientY).closest("[data-handle^=point]");
    if (knob) remove(knob.dataset.handle);
  });

  function remove(name) {
    if (outline.kind !== "polygon" || !name?.startsWith("point")) return;
    const before = outline;
    selected = null;
    onchange(Outlines.withoutPoint(outline, Number(name.slice(6))));
    oncommit(before);
  }

  /* Whether a key was for the focused handle, or for the selected point. */
  function key(event) {
    const focused = document.activeElement?.dataset?.handle;
    if (event.key === "Delete" || event.key === "Backspace") {
      remove(focused ?? selected);
      return true;
    }
    if (!focused || !(event.key in STEPS)) return false;
    const far = event.shiftKey ? 10 : 1;
    const [dx, dy] = STEPS[event.key].map((step) => step * far);
    const from = view.toFrame(screenOf(focused));
    const before = outline;
    onchange(dragged(outline, focused, from, [from[0] + dx, from[1] + dy], false));
    oncommit(before);
    return true;
  }

  function screenOf(name) {
    const box = stage.getBoundingClientRect();
    const [, [x, y]] = handles().find(([known]) => known === name);
    return [x + box.left, y + box.top];
  }

  return {
    key, render,
    dragging: () => drag !== null,
    /* Let go of what is dragged: another frame is shown. */
    release() {
      drag = null;
      stage.classList.remove("panning");
    },
    show(wanted) {
      if (wanted.kind !== outline.kind) selected = null;
      outline = wanted;
      render();
    },
  };
}

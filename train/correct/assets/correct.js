/* Connects the parts of the page: buttons and keys change frames, and every change is saved. */

(() => {
  const $ = (id) => document.getElementById(id);
  const stage = $("stage"), { what } = document.body.dataset;
  let list = [], nextStep = "", index = -1, asked = -1, shown = null, busy = false;
  let replaying = Promise.resolve();

  const view = makeView(stage, $("picture"), () => drawing.render());
  const drawing = makeDrawing(stage, $("drawing"), view, {
    onchange(outline) {
      shown = outline;
      drawing.show(outline);
    },
    oncommit: (before) => change(shown, frames.current(index).done, before),
  });
  const history = makeHistory(() => {
    $("undo").disabled = !history.canUndo();
    $("redo").disabled = !history.canRedo();
  });
  const frames = makeFrames({
    onsaved(which, state) {
      list[which].done = state.done;
      say(frames.unsaved() ? "Saving…" : "Saved");
      alertOf("");
      mark();
    },
    onconflict: resolve,
    onrefused(which, message) {
      say("Not saved", true);
      alertOf(`Not saved: ${message}.`);
      mark();
    },
    onoffline(is) {
      if (is) {
        const lost = frames.unsaved() ? "Your last change is not saved yet." : "Everything is saved.";
        alertOf(`No connection: cornea-stream has ended or does not answer. ${lost} ` +
          "Start it again with the same command, and open the address that it prints.", "offline");
      } else if ($("alert").dataset.about === "offline") alertOf("");
    },
  });

  function say(text, bad = false) {
    $("saved").textContent = text;
    $("saved").classList.toggle("bad", bad);
  }

  function alertOf(text, about = "") {
    $("alert").textContent = text;
    $("alert").hidden = !text;
    $("alert").dataset.about = about;
  }

  /* Show what is known of the current frame and of the progress. */
  function mark() {
    const done = list.filter((frame) => frame.done).length;
    $("progress").textContent = `${done} of ${list.length} done`;
    [...$("strip").children].forEach((segment, i) => {
      segment.classList.toggle("done", list[i].done);
      segment.setAttribute("aria-label", `Frame ${i + 1}, ${list[i].done ? "done" : "open"}`);
      if (i === index) segment.setAttribute("aria-current", "true");
      else segment.removeAttribute("aria-current");
    });
    if (index < 0 || !shown) return;
    const frame = list[index], state = frames.current(index), none = shown.kind === "none";
    $("title").textContent = frame.case;
    $("facts").textContent = `frame ${index + 1} of ${list.length} · ${clock(frame.time_s)} · ${frame.reason}`;
    $("status").textContent = state.done ? (none ? `✓ no ${what}` : "✓ accepted") : "open";
    $("status").classList.toggle("good", state.done);
    $("hint").hidden = !none;
    $("hint").textContent = state.done ? `No ${what} in this frame. E draws an ellipse.`
      : `No ${what} was found. X if that is right, E to draw an ellipse.`;
    $("ellipse").setAttribute("aria-pressed", shown.kind === "ellipse");
    $("polygon").setAttribute("aria-pressed", shown.kind === "polygon");
    $("accept").disabled = false;
  }

  /* Whether what is seen is the frame that was asked for: nothing else is ever changed. */
  const isReady = () => shown !== null && asked === index;

  async function show(wanted) {
    if (wanted < 0 || wanted >= list.length) return false;
    asked = wanted;
    const [url, state] = await Promise.all([frames.image(wanted), frames.state(wanted)]);
    if (asked !== wanted) return false;  // went on meanwhile
    if (!url || !state) {
      if ($("alert").hidden) alertOf(`Frame ${wanted + 1} cannot be shown: its image is gone.`, "gone");
      return false;
    }
    if ($("alert").dataset.about === "gone") alertOf("");
    drawing.release();
    index = wanted;
    window.history.replaceState(null, "", `#${index + 1}`);
    view.load(url, [state.width, state.height]);
    $("picture").alt = `${list[wanted].name}, frame ${wanted + 1} of ${list.length}`;
    list[wanted].done = state.done;
    shown = state.outline;
    drawing.show(shown);
    frames.prefetch(wanted, list.length);
    mark();
    stage.dataset.frame = wanted + 1;
    return true;
  }

  /* Change the current frame, and save it. */
  function change(outline, done, before = frames.current(index).outline) {
    const was = { outline: before, done: frames.current(index).done };
    history.add(index, was, { outline, done });
    return put(index, outline, done);
  }

  function put(which, outline, done) {
    if (which === index) {
      shown = outline;
      drawing.show(outline);
    }
    say("Saving…");
    const saved = frames.save(which, outline, done);
    mark();
    return saved;
  }

  async function accept(outline) {
    if (!isReady() || busy || drawing.dragging()) return;
    busy = true;
    try {
      if (await change(outline, true)) await goOn();
    } finally {
      busy = false;
    }
  }

  /* Go to the next frame that is open. */
  async function goOn() {
    const order = list.map((_, i) => (index + 1 + i) % list.length);
    const open = order.find((i) => !list[i].done);
    if (open === undefined) end();
    else await show(open);
  }

  /* Take a step back or do it again, one after the other however fast keys are pressed. */
  function replay(take, side) {
    replaying = replaying.then(async () => {
      const step = take();
      if (!step) return;
      if (step.index === index || (await show(step.index))) put(step.index, step[side].outline, step[side].done);
    });
  }

  function reshape(convert) {
    if (!isReady()) return;
    const next = shown.kind === "none" ? convert(fresh()) : convert(shown);
    if (next !== shown) change(next, shown.kind === "none" ? false : frames.current(index).done);
  }

  /* An ellipse in the middle of what is seen. */
  function fresh() {
    const [x, y] = view.middle();
    const radius = Math.min(stage.clientWidth, stage.clientHeight) / view.scale() / 3.5;
    return { kind: "ellipse", x, y, a: radius, b: radius, angle_deg: 0 };
  }

  async function resolve(which, theirs) {
    say("Not saved", true);
    $("conflict").returnValue = "theirs";
    $("conflict").showModal();
    await new Promise((closed) => $("conflict").addEventListener("close", closed, { once: true }));
    const mine = frames.current(which);
    history.forget(which);
    frames.replace(which, theirs);
    list[which].done = theirs.done;
    if ($("conflict").returnValue === "mine") put(which, mine.outline, mine.done);
    else {
      say("");
      if (which === index) await show(which);
      else mark();
    }
  }

  async function end() {
    await refresh();
    const done = list.filter((frame) => frame.done).length, open = list.length - done;
    $("end-title").textContent = open ? `${done} of ${list.length} frames are done` : `All ${done} frames are done`;
    $("end-text").textContent = done
      ? `${open ? "The others can be done later, with the same command. " : ""}Train on them with:`
      : "Nothing is accepted yet, so there is nothing to train on.";
    $("command").textContent = nextStep;
    $("command").hidden = !done;
    $("end-form").hidden = false;
    $("end").returnValue = "";
    if (!$("end").open) $("end").showModal();
  }

  $("end").addEventListener("close", async () => {
    if ($("end").returnValue !== "finish") return;
    if (!(await frames.finish())) return;
    clearInterval(heartbeat);
    $("end-title").textContent = "Finished";
    $("end-text").textContent = "Everything is saved, and this page can be closed. Next:";
    $("end-form").hidden = true;
    $("end").showModal();
  });
  $("end").addEventListener("cancel", (event) => {
    if ($("end-form").hidden) event.preventDefault();  // the server is gone
  });

  async function refresh() {
    const overview = await frames.overview();
    if (!overview) return false;
    list = overview.frames;
    nextStep = overview.next_step;
    return true;
  }

  function brighten(by) {
    const slider = $("brightness");
    slider.value = by === null ? 0 : Number(slider.value) + by;
    view.brighten(Number(slider.value));
  }

  const ACTIONS = {
    previous: () => show(asked - 1),
    next: () => show(asked + 1),
    accept: () => accept(shown),
    none: () => accept({ kind: "none" }),
    ellipse: () => reshape(Outlines.toEllipse),
    polygon: () => reshape((outline) => Outlines.toPolygon(outline)),
    undo: () => replay(history.undo, "before"),
    redo: () => replay(history.redo, "after"),
    reset: () => isReady() && change(frames.current(index).proposal, frames.current(index).done),
    "zoom-in": () => view.zoom(1.4),
    "zoom-out": () => view.zoom(1 / 1.4),
    fit: () => view.fit(),
    "help-open": () => $("help").showModal(),
    finish: end,
  };
  const KEYS = {
    Enter: "accept", " ": "accept", x: "none", "0": "none", ArrowLeft: "previous", PageUp: "previous",
    ArrowRight: "next", PageDown: "next", e: "ellipse", p: "polygon", r: "reset", "+": "zoom-in",
    "=": "zoom-in", "-": "zoom-out", f: "fit", "?": "help-open",
  };

  function key(event) {
    const name = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (name === "z") return event.shiftKey ? "redo" : "undo";
    if (event.ctrlKey || event.metaKey || event.altKey) return name === "y" ? "redo" : null;
    return KEYS[name];
  }

  document.addEventListener("keydown", (event) => {
    if (document.querySelector("dialog[open]")) return;
    const control = event.target.closest?.("button, input");
    if (control && (["Enter", " "].includes(event.key) || (control.type === "range" && event.key.startsWith("Arrow")))) return;
    if (drawing.dragging()) return;
    if (event.key === "h") stage.classList.add("peek");
    else if (event.key === "[") brighten(-1);
    else if (event.key === "]") brighten(1);
    else if (event.key === "\\") brighten(null);
    else if (!drawing.key(event)) {
      const action = key(event);
      if (!action || (event.repeat && action === "accept")) return;
      ACTIONS[action]();
    }
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    if (event.key === "h") stage.classList.remove("peek");
  });
  for (const [id, act] of Object.entries(ACTIONS)) {
    $(id).addEventListener("click", (event) => {
      if (event.detail) stage.focus({ preventScroll: true });  // by mouse: keys mean the frame again
      act();
    });
  }
  $("brightness").addEventListener("input", () => brighten(0));
  window.addEventListener("beforeunload", (event) => frames.unsaved() && event.preventDefault());
  window.addEventListener("hashchange", () => show(Number(location.hash.slice(1)) - 1));
  const heartbeat = setInterval(() => refresh().then((known) => known && mark()), 3000);

  (async () => {
    if (!(await refresh())) return;
    $("strip").append(...list.map((_, i) => {
      const segment = document.createElement("button");
      segment.type = "button";
      segment.tabIndex = -1;
      segment.title = `Frame ${i + 1}`;
      segment.addEventListener("click", () => show(i));
      return segment;
    }));
    history.forget(-1);
    const asked = Number(location.hash.slice(1)) - 1;
    const open = list.findIndex((frame) => !frame.done);
    await show(list[asked] ? asked : Math.max(0, open));
    if (open < 0) end();
    stage.focus({ preventScroll: true });
  })();
})();

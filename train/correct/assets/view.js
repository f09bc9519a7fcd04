/* The frame on the stage: zoom, pan and brightness. */

function makeView(stage, picture, onchange) {
  const MARGIN = 28, LARGEST = 40;
  let width = 1, height = 1, scale = 1, left = 0, top = 0, fitted = true;

  function fitScale() {
    const across = (stage.clientWidth - 2 * MARGIN) / width;
    return Math.max(0.01, Math.min(across, (stage.clientHeight - 2 * MARGIN) / height));
  }

  function show() {
    picture.style.transform = `translate(${left}px, ${top}px) scale(${scale})`;
    picture.classList.toggle("pixelated", scale >= 3);
    onchange();
  }

  function fit() {
    scale = fitScale();
    left = (stage.clientWidth - width * scale) / 2;
    top = (stage.clientHeight - height * scale) / 2;
    fitted = true;
    show();
  }

  function zoom(factor, x = stage.clientWidth / 2, y = stage.clientHeight / 2) {
    const to = Math.max(fitScale() / 2, Math.min(LARGEST, scale * factor));
    left = x - ((x - left) * to) / scale;
    top = y - ((y - top) * to) / scale;
    scale = to;
    fitted = false;
    show();
  }

  /* Move the frame, but not out of sight. */
  function pan(dx, dy) {
    const within = (value, size, room) => Math.max(60 - size, Math.min(room - 60, value));
    left = within(left + dx, width * scale, stage.clientWidth);
    top = within(top + dy, height * scale, stage.clientHeight);
    fitted = false;
    show();
  }

  new ResizeObserver(() => (fitted ? fit() : show())).observe(stage);
  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    const box = stage.getBoundingClientRect();
    const lines = event.deltaMode === 1 ? 30 : 1;
    zoom(Math.exp((-event.deltaY * lines) / 500), event.clientX - box.left, event.clientY - box.top);
  }, { passive: false });

  return {
    fit, zoom, pan,
    scale: () => scale,
    load(url, size) {
      picture.src = url;
      picture.hidden = false;
      [width, height] = size;
      fit();
    },
    brighten(steps) {
      picture.style.filter = steps ? `brightness(${1.18 ** steps})` : "";
    },
    toScreen: ([x, y]) => [left + x * scale, top + y * scale],
    toFrame([clientX, clientY]) {
      const box = stage.getBoundingClientRect();
      return [(clientX - box.left - left) / scale, (clientY - box.top - top) / scale];
    },
    middle() {
      return [(stage.clientWidth / 2 - left) / scale, (stage.clientHeight / 2 - top) / scale];
    },
  };
}

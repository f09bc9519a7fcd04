/* The frames on the server: their images, their state, and one save after the other. */

function makeFrames({ onsaved, onconflict, onrefused, onoffline }) {
  const images = new Map();  // of the frames around, as object URLs
  const states = new Map();
  const waiting = new Map();  // what is not saved yet, by frame
  let busy = false, retry = 0;

  async function ask(path, options) {
    const reply = await fetch(path, { cache: "no-store", ...options });
    onoffline(false);
    return reply;
  }

  async function get(path) {
    try {
      const reply = await ask(path);
      return reply.ok ? reply : null;
    } catch {
      onoffline(true);
      return null;
    }
  }

  function image(index) {
    if (!images.has(index)) {
      images.set(index, get(`frames/${index}/image`).then(async (reply) => {
        if (reply) return URL.createObjectURL(await reply.blob());
        images.delete(index);
        return null;
      }));
    }
    return images.get(index);
  }

  /* Load the neighbors ahead, and forget images far away. */
  function prefetch(index, count) {
    for (const near of [index + 1, index - 1]) if (near >= 0 && near < count) image(near);
    for (const [far, loading] of images) {
      if (Math.abs(far - index) <= 3) continue;
      images.delete(far);
      loading.then((url) => url && URL.revokeObjectURL(url));
    }
  }

  async function state(index) {
    if (!waiting.has(index)) {
      const reply = await get(`frames/${index}`);
      if (!reply) return null;
      if (!waiting.has(index)) states.set(index, await reply.json());
    }
    return states.get(index);
  }

  /* Keep the newest outline of a frame; resolves to whether it is saved. */
  function save(index, outline, done) {
    const was = waiting.get(index)?.was ?? states.get(index).done;
    states.set(index, { ...states.get(index), outline, done });
    waiting.get(index)?.settle(false);
    const saved = new Promise((settle) => waiting.set(index, { outline, done, was, settle }));
    work();
    return saved;
  }

  async function work() {
    if (busy) return;
    busy = true;
    clearTimeout(retry);
    try {
      while (waiting.size) {
        const [index, change] = waiting.entries().next().value;
        if (!(await put(index, change))) break;
      }
    } catch {
      onoffline(true);
      retry = setTimeout(work, 1500);
    }
    busy = false;
  }

  async function put(index, change) {
    const { outline, done, settle } = change;
    const reply = await ask(`frames/${index}`, {
      method: "PUT",
      headers: { "Content-Type": "application/json", "If-Match": `"${states.get(index).revision}"` },
      body: JSON.stringify({ outline, done }),
    });
    const content = await reply.json().catch(() => ({}));
    const newest = waiting.get(index) === change;
    if (reply.ok) {
      // What was changed meanwhile is saved next, on top of this revision.
      states.set(index, newest ? content : { ...states.get(index), revision: content.revision });
    }
    if (newest) waiting.delete(index);
    settle(reply.ok);
    if (reply.ok) onsaved(index, content);
    else if (reply.status === 412) {
      waiting.delete(index);
      onconflict(index, content);
    } else {
      states.set(index, { ...states.get(index), done: change.was });
      onrefused(index, content.message ?? `the server answered ${reply.status}`);
    }
    return true;
  }

  return {
    image, prefetch, state, save,
    current: (index) => states.get(index),
    replace: (index, content) => states.set(index, content),
    unsaved: () => waiting.size > 0,
    async overview() {
      const reply = await get("frames");
      return reply && reply.json();
    },
    async finish() {
      try {
        return (await ask("finish", { method: "PUT", body: "" })).ok;
      } catch {
        onoffline(true);
        return false;
      }
    },
  };
}

/* A time in a recording as it is read: hours, minutes and seconds. */
function clock(seconds) {
  const parts = [seconds / 3600, (seconds / 60) % 60, seconds % 60].map(Math.floor);
  return parts.map((part) => String(part).padStart(2, "0")).join(":") + (seconds % 1).toFixed(2).slice(1);
}

/* What was done, across frames, to take it back and do it again. */

function makeHistory(onchange) {
  let past = [], future = [];

  function step(from, to) {
    const change = from.pop();
    if (change) to.push(change);
    onchange();
    return change;
  }

  return {
    /* Note a change of a frame from one {outline, done} to another. */
    add(index, before, after) {
      past.push({ index, before, after });
      future = [];
      onchange();
    },
    undo: () => step(past, future),
    redo: () => step(future, past),
    canUndo: () => past.length > 0,
    canRedo: () => future.length > 0,
    /* Forget a frame that others have changed. */
    forget(index) {
      past = past.filter((change) => change.index !== index);
      future = future.filter((change) => change.index !== index);
      onchange();
    },
  };
}

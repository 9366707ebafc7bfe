/** Every limit that decides what the page says of a race or a lane. */

/** A race waits so long for its lanes. */
export const PATIENCE_MS = 6000;

/** Samples beyond a percentile that make it worth saying. */
export const TAIL = 10;

/** Lanes that arrive together are read one after the other, in the order in which they were opened: that takes so long. */
const READING_MS = 2;

/** Lanes so much behind a place's first share its place. A clock that moves in coarser steps hides more. */
export const tieMs = (stepMs) => Math.max(READING_MS, 2 * stepMs);

const MOST_READINGS = 1e7; // of a clock that stands still, or nearly

/** The clock's step in ms, the least of a few: browsers make their clocks coarse, each in its own way. */
export function clockStepMs(now = () => performance.now()) {
  let last = now();
  const steps = [];
  for (let readings = 0; steps.length < 4 && readings < MOST_READINGS; readings++) {
    const next = now();
    if (next > last) {
      steps.push(next - last);
      last = next;
    }
  }
  return steps.length > 1 ? Math.min(...steps.slice(1)) : 0; // the first one had begun before
}

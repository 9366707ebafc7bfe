/** Replays one message's race in slow motion: the slowest lane takes a second and a half. */

const REPLAY_MS = 1500;
// Lanes that arrive together are read one after the other, in the order in which they were opened.
export const TIE_MS = 2;

/** Who came in where: `{lane, ms, place, tied}`, fastest first. Within TIE_MS of a place's first lane, lanes share it. */
export function podium(results) {
  const arrived = [...results].filter(([, ms]) => ms !== undefined).sort(([, a], [, b]) => a - b);
  const placed = [];
  let first = -1;
  for (const [lane, ms] of arrived) {
    if (first < 0 || ms - placed[first].ms > TIE_MS) first = placed.length;
    placed.push({ lane, ms, place: first + 1 });
  }
  return placed.map((each) => ({ ...each, tied: placed.filter(({ place }) => place === each.place).length > 1 }));
}

/** Place the lanes' runners. `results` maps a lane to its latency in ms, or to undefined when it did not arrive. */
export function replay(results) {
  const arrived = podium(results);
  const slowest = Math.max(...arrived.map(({ ms }) => ms), 0);
  for (const { lane, ms, ...standing } of arrived) lane.finish(standing, ms, slowest ? ms / slowest : 1);
  for (const [lane, ms] of results) if (ms === undefined) lane.missed();
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const { lane, ms } of arrived) lane.run(Math.max(60, (REPLAY_MS * ms) / (slowest || 1)));
}

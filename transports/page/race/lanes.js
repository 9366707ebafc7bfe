/** The lanes there are: what the catalogue's records say, with the class of each one's client. */

const told = await fetch(new URL("../lanes.json", import.meta.url));

export const LANES = await Promise.all(
  (await told.json()).map(async ({ module, client, options, ...lane }) => {
    const { [client]: Client } = await import(`../clients/${module}`);
    return { ...lane, make: (given) => new Client({ ...given, ...options }) };
  }),
);

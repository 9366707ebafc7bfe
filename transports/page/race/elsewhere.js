/** Links to this page at the server's other addresses, say the https port. */

/** Show in `nav` a link for each of `places` ({title, scheme, port}) but the one at `here`, a Location or URL. */
export function showElsewhere(nav, places, here) {
  const links = places
    .map(({ title, scheme, port }) => {
      const link = document.createElement("a");
      link.href = `${scheme}://${here.hostname}:${port}${here.pathname}`;
      link.textContent = title;
      return link;
    })
    .filter((link) => !link.href.startsWith(here.origin));
  nav.replaceChildren(...links);
  nav.hidden = links.length === 0;
}

/** Ask the server for its other addresses; none where it can't say. */
export async function places() {
  try {
    const told = await fetch(new URL("../elsewhere.json", import.meta.url));
    return told.ok ? await told.json() : [];
  } catch {
    return [];
  }
}

// What was published from this browser: the platform lists nothing by owner.

const KEPT = "usher.published";

/** @typedef {{venueId: string, name: string, timeZone: string, city: string, categories: {categoryId: string, name: string}[]}} Venue */

/** @returns {{venues: Venue[], events: string[]}} */
export function published() {
  try {
    return JSON.parse(localStorage.getItem(KEPT) ?? "") ?? { venues: [], events: [] };
  } catch {
    return { venues: [], events: [] };
  }
}

/** @param {{venue?: Venue, event?: string}} made */
export function remember({ venue, event }) {
  const known = published();
  if (venue) known.venues = [venue, ...known.venues.filter((it) => it.venueId !== venue.venueId)].slice(0, 50);
  if (event) known.events = [event, ...known.events.filter((it) => it !== event)].slice(0, 200);
  localStorage.setItem(KEPT, JSON.stringify(known));
}

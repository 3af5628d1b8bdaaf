// Houses with a plan that an organiser can sell again: those that their events play in, and those that were built in this browser and have no show yet.

import { get, once } from "./api.js";
import { session } from "./session.js";

/** @typedef {{venueId: string, name: string, timeZone: string, city: string, categories: {categoryId: string, name: string}[]}} House */

/** Events that are looked through, the newest. */
const EVENTS_MAX = 8;
const HOUSES_MAX = 6;

const name = () => `usher.houses.${session()?.sub ?? ""}`;

/** @returns {House[]} */
function built() {
  try {
    return JSON.parse(localStorage.getItem(name()) ?? "") ?? [];
  } catch {
    return [];
  }
}

/** @param {House} house */
export function keepHouse(house) {
  localStorage.setItem(name(), JSON.stringify([house, ...built().filter((it) => it.venueId !== house.venueId)].slice(0, HOUSES_MAX)));
}

/** @param {AbortSignal} signal @returns {Promise<House[]>} */
export async function houses(signal) {
  const found = new Map(built().map((house) => [house.venueId, house]));
  const { events } = await get(`/v1/organiser/events?limit=${EVENTS_MAX}`, signal).catch(() => ({ events: [] }));
  const played = await Promise.all(events.filter((/** @type {EventDetail} */ it) => it.venueName).map((/** @type {EventDetail} */ event) => houseOf(event, signal)));
  for (const house of played) if (house && !found.has(house.venueId)) found.set(house.venueId, house);
  return [...found.values()].slice(0, HOUSES_MAX);
}

/** Where an event's first show is. @param {EventDetail} event @param {AbortSignal} signal @returns {Promise<House | null>} */
async function houseOf(event, signal) {
  try {
    const { shows } = await get(`/v1/events/${event.eventId}/shows?limit=1`, signal);
    /** @type {[Show]} */
    const [show] = shows;
    /** @type {Plan} */
    const plan = await once(`/v1/shows/${show.showId}/plan?v=${show.planVersion}`);
    return { venueId: show.venueId, name: event.venueName ?? plan.name, timeZone: show.timeZone, city: event.city, categories: plan.categories };
  } catch {
    return null;
  }
}

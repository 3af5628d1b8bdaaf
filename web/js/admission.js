// The pass that the waiting room gives out, kept for this person and show; a second tab has it too.

import { session } from "./session.js";

const name = (/** @type {string} */ showId) => `usher.admission.${showId}.${session()?.sub ?? ""}`;

/** The pass for a show, while it is valid. @param {string} showId @returns {string | undefined} */
export function admission(showId) {
  try {
    const kept = JSON.parse(localStorage.getItem(name(showId)) ?? "null");
    return kept && Date.parse(kept.expiresAt) > Date.now() ? kept.admissionToken : undefined;
  } catch {
    return undefined;
  }
}

/** @param {string} showId @param {{admissionToken: string, expiresAt: string}} pass */
export function keepPass(showId, pass) {
  localStorage.setItem(name(showId), JSON.stringify({ admissionToken: pass.admissionToken, expiresAt: pass.expiresAt }));
}

/** It was used up, or is not accepted any more. @param {string} showId */
export function spend(showId) {
  localStorage.removeItem(name(showId));
}

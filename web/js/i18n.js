// Words, numbers, money and times in the reader's language. Words live in words/<language>.js; only the one in use is loaded.

/** Languages there are, in their own words. */
export const LANGUAGES = { en: "English", de: "Deutsch", hi: "हिन्दी" };
const KEPT = "usher.language";

/** @type {Record<string, string | Record<string, string>>} */
let words = {};
let language = "en";
let plural = new Intl.PluralRules("en");
/** For dates and numbers: the browser's own locale where it is of our language. */
let locale = "en";

/** Loads the reader's language: the one chosen before, or the first of the browser's that there is. */
export async function speak() {
  const chosen = localStorage.getItem(KEPT);
  const wanted = [chosen, ...navigator.languages].map((tag) => tag?.slice(0, 2) ?? "").find((tag) => tag in LANGUAGES) ?? "en";
  words = (await import(`./words/${wanted}.js`)).default;
  language = wanted;
  locale = navigator.languages.find((tag) => tag.slice(0, 2) === wanted) ?? wanted;
  plural = new Intl.PluralRules(wanted);
  document.documentElement.lang = wanted;
}

/** @param {string} tag */
export async function choose(tag) {
  localStorage.setItem(KEPT, tag);
  await speak();
}

export const spoken = () => language;

/**
 * The words of that name, with `{places}` filled in. Where there are several forms, `n` decides.
 * @param {string} name @param {Record<string, string | number>} [values] @returns {string}
 */
export function t(name, values = {}) {
  const found = words[name];
  if (found === undefined) return name;
  const n = Number(values.n ?? 0);
  const form = typeof found === "string" ? found : found[plural.select(n)] ?? found.other;
  return form.replace(/\{(\w+)\}/g, (_, place) => place === "n" ? number(n) : String(values[place] ?? ""));
}

/** Whether there are such words. @param {string} name */
export const knows = (name) => name in words;

/** @param {number} value */
export const number = (value) => new Intl.NumberFormat(locale).format(value);

/** @type {Map<string, number>} */
const digits = new Map();

/** How many minor units make one, as a power of ten. @param {string} currency */
export function exponent(currency) {
  let known = digits.get(currency);
  if (known === undefined) {
    known = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits ?? 2;
    digits.set(currency, known);
  }
  return known;
}

/** An amount in whole minor units becomes text without passing through a fraction of a float. @param {Money} price */
export function money(price) {
  const places = exponent(price.currency);
  const sign = price.amountMinor < 0 ? "-" : "";
  const text = String(Math.abs(price.amountMinor)).padStart(places + 1, "0");
  const whole = text.slice(0, text.length - places);
  const part = text.slice(text.length - places);
  const exact = places && Number(part) ? `${sign}${whole}.${part}` : `${sign}${whole}`;
  const fraction = places && Number(part) ? places : 0;
  const format = new Intl.NumberFormat(locale, { style: "currency", currency: price.currency, minimumFractionDigits: fraction, maximumFractionDigits: fraction });
  return format.format(/** @type {any} */ (exact));
}

/** @param {Money} a @param {number} count @returns {Money} */
export const times = (a, count) => ({ amountMinor: a.amountMinor * count, currency: a.currency });

/**
 * A moment at the venue, by the venue's clock.
 * @param {string} instant @param {string | undefined} timeZone @param {Intl.DateTimeFormatOptions} [options]
 */
export function when(instant, timeZone, options = { dateStyle: "full", timeStyle: "short" }) {
  return new Intl.DateTimeFormat(locale, { timeZone, ...options }).format(new Date(instant));
}

/** The day and the month, for a calendar leaf. @param {string} instant @param {string} timeZone */
export function leaf(instant, timeZone) {
  const part = (/** @type {Intl.DateTimeFormatOptions} */ options) => when(instant, timeZone, options);
  return { day: part({ day: "numeric" }), month: part({ month: "short" }), weekday: part({ weekday: "long" }), time: part({ hour: "numeric", minute: "2-digit" }) };
}

/** The zone's name where the reader's clock shows another time. @param {string} instant @param {string} timeZone */
export function elsewhere(instant, timeZone) {
  /** @type {Intl.DateTimeFormatOptions} */
  const options = { weekday: "short", hour: "numeric", minute: "2-digit" };
  const here = when(instant, undefined, options);
  return here === when(instant, timeZone, options) ? "" : here;
}

/** Minutes and seconds. @param {number} milliseconds */
export function countdown(milliseconds) {
  const seconds = Math.max(0, Math.ceil(milliseconds / 1000));
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** "in 3 days", "2 minutes ago". @param {number} milliseconds from now */
export function away(milliseconds) {
  const format = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
  /** @type {[Intl.RelativeTimeFormatUnit, number][]} */
  const units = [["day", 86_400_000], ["hour", 3_600_000], ["minute", 60_000], ["second", 1000]];
  const [unit, size] = units.find(([, size]) => Math.abs(milliseconds) >= size) ?? ["second", 1000];
  return format.format(Math.round(milliseconds / size), unit);
}

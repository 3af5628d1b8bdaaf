// Ways to pay: the sandbox's test cards, or Stripe's own fields when a deployment has an account.

import { h } from "./dom.js";
import { t } from "./i18n.js";

/**
 * @typedef {{go?: string, declined?: boolean, words?: string, processing?: boolean}} Outcome
 * @typedef {{node: Element, pay: (payment: {intentId: string, clientSecret?: string, status: string}, back: string) => Promise<Outcome>}} Method
 */

const CARDS = ["pm_card_visa", "pm_card_authenticationRequired", "pm_card_chargeDeclined", "pm_card_chargeDeclinedInsufficientFunds", "pm_card_processing"];

/** The payment provider to play with. @param {{url: string}} sandbox @returns {Method} */
export function cards(sandbox) {
  const node = h("fieldset", { class: "cards" }, h("legend", { class: "unseen" }, t("pay.how")), h("p", { class: "dim" }, t("card.help")),
    CARDS.map((card, at) => h("label", { class: "card" }, h("input", { type: "radio", name: "card", value: card, checked: at === 0 }), h("span", null, h("b", null, t(`card.${card}`)), h("small", null, t(`card.${card}.does`))))));
  return {
    node,
    async pay(payment, back) {
      if (payment.status === "requires_capture" || payment.status === "succeeded") return {};
      if (payment.status === "processing") return { processing: true };
      const chosen = /** @type {HTMLInputElement | null} */ (node.querySelector("input:checked"))?.value ?? CARDS[0];
      const body = new URLSearchParams({ payment_method: chosen, client_secret: payment.clientSecret ?? "", return_url: back });
      const answer = await fetch(`${sandbox.url}/payment_intents/${payment.intentId}/confirm`, { method: "POST", body });
      const intent = await answer.json();
      if (answer.status === 402) return { declined: true, words: t(`card.said.${intent.error?.decline_code ?? "generic_decline"}`) };
      if (!answer.ok) throw new Error(intent.error?.message);
      if (intent.status === "requires_action") return { go: intent.next_action.redirect_to_url.url };
      return { processing: intent.status === "processing" };
    },
  };
}

/** @type {Promise<any> | undefined} */
let library;

/** Stripe's library has to come from Stripe; the policy lets it in where the configuration names it. */
function stripe() {
  library ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "https://js.stripe.com/v3/", onload: () => resolve(/** @type {any} */ (globalThis).Stripe), onerror: () => { library = undefined; reject(new Error("stripe")); } });
    document.head.append(script);
  });
  return library;
}

/** Stripe Elements. @param {{publishableKey: string}} account @param {Booking} booking @returns {Promise<Method>} */
export async function elements(account, booking) {
  const client = (await stripe())(account.publishableKey);
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const group = client.elements({
    mode: "payment", amount: booking.total.amountMinor, currency: booking.total.currency.toLowerCase(), captureMethod: "manual", locale: document.documentElement.lang,
    appearance: { theme: dark ? "night" : "stripe" },
  });
  const node = h("div", { class: "elements" });
  group.create("payment").mount(node);
  return {
    node,
    async pay(payment, back) {
      if (payment.status === "requires_capture" || payment.status === "succeeded") return {};
      if (payment.status === "processing") return { processing: true };
      const checked = await group.submit();
      if (checked.error) return { declined: true, words: checked.error.message };
      const { error, paymentIntent } = await client.confirmPayment({ elements: group, clientSecret: payment.clientSecret, confirmParams: { return_url: back }, redirect: "if_required" });
      if (error) return { declined: true, words: error.message };
      return { processing: paymentIntent?.status === "processing" };
    },
  };
}

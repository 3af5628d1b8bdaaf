// Who are you: the identity provider's page, or, on a platform that runs on one's own machine, whoever one says.

import { config } from "../config.js";
import { h, icon } from "../dom.js";
import { t } from "../i18n.js";
import { notice } from "../parts.js";
import { session, signInLocally, signInReturned, signInThere } from "../session.js";

/** @type {[string, string[]][]} */
const PEOPLE = [["ada", []], ["grace", []], ["ravi", []], ["demo-organiser", ["organiser"]], ["door-staff", ["door"]]];

/** @type {import("../main.js").Page} */
export default async function signIn({ query, go, title }) {
  title(t("nav.signIn"));
  const asked = query.get("next") ?? "/";
  const next = /^\/(?![/\\])/.test(asked) ? asked : "/";
  if (location.pathname === "/signin/callback") {
    try {
      go(await signInReturned(query), true);
    } catch {
      return h("section", { class: "page narrow" }, notice("bad", t("signIn.failed")), h("a", { class: "button primary", href: "/signin" }, t("again")));
    }
    return h("div");
  }
  if (config().signIn.kind === "oidc") {
    const button = h("button", { type: "button", class: "primary big", onclick: () => { button.disabled = true; signInThere(next).catch(() => { button.disabled = false; button.after(notice("bad", t("signIn.failed"))); }); } }, t("signIn.there"));
    return h("section", { class: "page narrow" }, h("h1", null, t("nav.signIn")), h("p", null, t("signIn.why")), button);
  }
  const problem = h("div");
  const enter = async (/** @type {string} */ name, /** @type {string[]} */ roles) => {
    try {
      await signInLocally(name, roles);
      go(query.get("as") === "organiser" && next === "/" ? "/organise" : next, true);
    } catch {
      problem.replaceChildren(notice("bad", t("signIn.failed")));
    }
  };
  const name = h("input", { name: "sub", required: true, maxlength: "60", autocomplete: "username", placeholder: t("signIn.name") });
  const role = h("select", { name: "role", "aria-label": t("signIn.role") }, ["", "organiser", "door"].map((it) => h("option", { value: it }, t(`role.${it || "buyer"}`))));
  return h("section", { class: "page narrow" },
    h("h1", null, t("nav.signIn")), h("p", null, t("signIn.local")), session() && notice("info", t("signIn.already", { name: session()?.name ?? "" })), problem,
    h("div", { class: "people" }, PEOPLE.map(([sub, roles]) => h("button", { type: "button", onclick: () => enter(sub, roles) }, icon("person"), h("b", null, sub), h("span", null, t(`role.${roles[0] ?? "buyer"}`))))),
    h("form", { class: "inline", onsubmit: (/** @type {Event} */ event) => { event.preventDefault(); enter(name.value.trim(), role.value ? [role.value] : []); } },
      h("label", { class: "grow" }, h("span", null, t("signIn.somebody")), name), h("label", null, h("span", null, t("signIn.role")), role), h("button", null, t("signIn.enter"))));
}

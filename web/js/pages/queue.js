import { h } from "../dom.js"; export default function page() { return h("div"); }

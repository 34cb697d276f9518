import { PICTURE_STYLE } from "../../shared/evaluation/pictures/index.ts";

/** What pages about models have beside the style of all pages. */
export const MODEL_STYLE = `
:root { --good: #1a7f37; --poor: #b42318; --fair: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --good: #6fd3a0; --poor: #f2a199; --fair: #f0b56a; } }
main.model { max-width: 60rem; }
main.model h1 { overflow-wrap: anywhere; }
main.model h2 { margin-top: 2.25rem; }
.id { overflow-wrap: anywhere; color: var(--soft); margin-top: 0; }
.lead { display: flex; flex-wrap: wrap; gap: .375rem .5rem; margin: .75rem 0 1.25rem; padding: 0; list-style: none; font-size: .875rem; }
.lead li { padding: .125rem .625rem; border: 1px solid var(--line); border-radius: 1rem; }
.good { color: var(--good); } .poor { color: var(--poor); } .fair { color: var(--fair); }
dl.facts { display: grid; grid-template-columns: minmax(6rem, max-content) minmax(0, 1fr); gap: .25rem 1.25rem; margin: .75rem 0; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; }
table.cards th { font-size: .875rem; color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (min-width: 40.01rem) { table.cards .number + .text { padding-left: .75rem; } }
main.model pre { white-space: pre-wrap; overflow-wrap: anywhere; }
figure { margin: 1rem 0; max-width: 34rem; }
figure svg { display: block; width: 100%; height: auto; border: 1px solid var(--line); border-radius: .5rem; }
.verdict { border-left: .25rem solid var(--soft); padding: .25rem 0 .25rem 1rem; margin: 1rem 0; }
.verdict.passed { border-color: var(--good); } .verdict.refused { border-color: var(--poor); }
.verdict p:first-child { font-weight: 600; }
progress { width: 100%; max-width: 34rem; accent-color: var(--link); }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .875rem; color: var(--soft); }
@media (max-width: 40rem) {
  table.cards thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  table.cards, table.cards tbody, table.cards tr, table.cards td { display: block; }
  table.cards tr { padding: .5rem 0; border-bottom: 1px solid var(--line); }
  table.cards td { display: grid; grid-template-columns: 7rem minmax(0, 1fr); gap: .75rem; padding: .125rem 0; border: 0; text-align: left; white-space: normal; }
  table.cards td::before { content: attr(data-label); color: var(--soft); font-size: .875rem; }
}
${PICTURE_STYLE}
`;

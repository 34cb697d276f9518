/** The pages' style. Two columns where there is room; on a phone one, and nothing wider than it. */
export const STYLE = `
:root {
  --text: #1c2024; --soft: #5a6472; --line: #dde1e6; --ground: #fff; --raised: #f6f7f9; --link: #0b57d0; --mark: #fff3bf;
  --get: #0a6a3f; --post: #0b57d0; --put: #8a4b00; --delete: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --text: #e3e6ea; --soft: #9aa5b1; --line: #30363d; --ground: #0f1318; --raised: #181d24; --link: #8ab4f8; --mark: #4d3f00;
    --get: #6fd3a0; --post: #8ab4f8; --put: #f0b56a; --delete: #f2a199;
  }
}
* { box-sizing: border-box; }
html { scroll-padding-top: 1rem; }
body { margin: 0; font: 16px/1.55 system-ui, sans-serif; color: var(--text); background: var(--ground); }
a { color: var(--link); text-decoration-thickness: 1px; text-underline-offset: 2px; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
code { overflow-wrap: anywhere; }
pre { margin: .75rem 0; padding: .75rem 1rem; overflow-x: auto; background: var(--raised); border-radius: .375rem; }
h1, h2, h3 { line-height: 1.25; text-wrap: balance; }
h1 { margin: 0 0 .5rem; font-size: 1.75rem; }
h2 { margin: 3rem 0 .5rem; padding-top: 1rem; border-top: 1px solid var(--line); font-size: 1.375rem; }
h3 { margin: 0; font-size: 1rem; font-weight: 600; }
h4 { margin: 1rem 0 .25rem; font-size: .875rem; color: var(--soft); }
p { margin: .5rem 0; max-width: 44rem; }
.layout { max-width: 76rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
.soft { color: var(--soft); }
nav ul { margin: .25rem 0 1rem; padding: 0; list-style: none; font-size: .875rem; }
nav li { margin: .1875rem 0; }
nav li a { display: grid; grid-template-columns: 3.25rem minmax(0, 1fr); }
nav li.group a, nav li.plain a { display: inline; }
nav .method { font-size: .6875rem; line-height: 1.9; }
nav a { text-decoration: none; }
nav a:hover { text-decoration: underline; }
nav .group { font-weight: 600; }
summary { cursor: pointer; }
.wide { display: none; }
.narrow { margin: 1.5rem 0; padding: .75rem 1rem; border: 1px solid var(--line); border-radius: .375rem; }
.narrow ul:first-of-type { padding-top: .5rem; }
section.operation { margin: 1.75rem 0 2.5rem; }
.address { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem .75rem; margin: .25rem 0 .5rem; }
.method { font: 700 .8125rem/1.5 ui-monospace, monospace; }
.get { color: var(--get); } .post { color: var(--post); } .put, .patch { color: var(--put); } .delete { color: var(--delete); }
.path { font-size: .9375rem; }
dl.members { margin: .25rem 0; border-top: 1px solid var(--line); }
dl.members > div { padding: .4rem 0; border-bottom: 1px solid var(--line); }
dl.members dt { display: flex; flex-wrap: wrap; gap: 0 .625rem; align-items: baseline; }
dl.members dt > code { font-weight: 600; }
h3 code { font-size: 1em; }
dl.members dd { margin: 0; max-width: 44rem; overflow-wrap: anywhere; }
dl.answers { display: grid; grid-template-columns: 2.5rem minmax(0, 1fr); gap: .25rem .5rem; margin: .25rem 0; max-width: 48rem; }
dl.answers dt code { font-weight: 600; }
dl.answers dd { margin: 0; }
dl.answers dd p { margin: 0; font-size: .875rem; }
.type code { font-size: 1em; }
.type { font-size: .8125rem; color: var(--soft); overflow-wrap: anywhere; }
.needed { font-size: .8125rem; }
details.nested { margin: .25rem 0; }
details.nested > dl { margin-left: .75rem; }
details.nested > summary { font-size: .875rem; color: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .4rem .75rem .4rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
td code { overflow-wrap: anywhere; }
:target, tr:target td { background: var(--mark); }
section:target { background: none; }
section:target h3 { background: var(--mark); }
@media (min-width: 62rem) {
  .two { display: grid; grid-template-columns: 18rem minmax(0, 1fr); gap: 3rem; }
  .narrow { display: none; }
  .wide { display: block; }
  .two > nav { position: sticky; top: 0; align-self: start; max-height: 100vh; overflow-y: auto; padding: .5rem 0; }
}
@media print { nav { display: none; } }
`;

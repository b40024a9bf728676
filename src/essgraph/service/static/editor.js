// The query editor: YASGUI's Yasqe over the text area of a form that works without it.
const form = document.querySelector("[data-editor]");
const area = form.querySelector("textarea");
const outcome = document.querySelector("[data-outcome]");
const settings = JSON.parse(document.getElementById("settings").textContent);
const tongue = document.documentElement.lang;
const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

Yasqe.registerAutocompleter({
  name: "essgraph",
  bulk: false,
  autoShow: false,
  isValidCompletionPosition: (yasqe) => !/^[?$"'#]/.test(yasqe.getCompleteToken().string),
  get: (yasqe, token) => {
    const typed = fold((token ?? yasqe.getCompleteToken()).string.trim());
    return settings.terms
      .filter((term) => !term.short.startsWith("<"))
      .filter((term) => fold(term.short).includes(typed) || fold(term.label).includes(typed))
      .sort((a, b) => rank(a, typed) - rank(b, typed) || a.short.localeCompare(b.short))
      .map((term) => term.short);
  },
  postProcessSuggestion: (yasqe, token, suggested) => suggested,
  postprocessHints: (yasqe, hints) =>
    hints.map((hint) => {
      const term = settings.terms.find((one) => one.short === hint.text);
      return term?.label ? { ...hint, displayText: `${hint.text}  ${term.label}` } : hint;
    }),
});

function rank(term, typed) {
  const short = fold(term.short);
  if (short.startsWith(typed) || short.split(":")[1]?.startsWith(typed)) return 0;
  return term.short.startsWith("ess:") ? 1 : 2;
}

// Its own completers ask other hosts: ours alone are on.
Yasqe.defaults.autocompleters = ["essgraph", "variables"];
const host = document.createElement("div");
area.hidden = true;
area.before(host);
const yasqe = new Yasqe(host, {
  value: area.value,
  prefixCcApi: null,
  persistenceId: null,
  consumeShareLink: null,
  createShareableLink: null,
  showQueryButton: false,
  resizeable: false,
  editorHeight: "22rem",
  collapsePrefixesOnLoad: false,
  screenReaderLabel: form.querySelector("label").textContent,
  extraKeys: {
    "Ctrl-Enter": () => run(),
    "Cmd-Enter": () => run(),
    "Ctrl-Space": (editor) => editor.autocomplete(),
    // Tab leaves the editor, as everywhere else: nobody is caught in it.
    Tab: false,
    "Shift-Tab": false,
  },
});
form.querySelector("label[for]").htmlFor = "";
window.essgraphEditor = yasqe;

// A name whose prefix is known and not declared gets its declaration.
function declare() {
  const text = yasqe.getValue();
  const bare = text.replace(/<[^>\s]*>|"(?:[^"\\\n]|\\.)*"|#.*$/gm, " ");
  const declared = yasqe.getPrefixesFromQuery();
  const missing = {};
  for (const [, prefix] of bare.matchAll(/(?<![\w?$:-])([a-z][\w-]*):(?=[\w])/g))
    if (!(prefix in declared) && prefix in settings.prefixes)
      missing[prefix] = settings.prefixes[prefix];
  if (Object.keys(missing).length) yasqe.addPrefixes(missing);
}

let marked = null;
async function run(view = "table") {
  if (marked !== null) yasqe.removeLineClass(marked, "wrap", "fault-line");
  marked = null;
  declare();
  const query = yasqe.getValue();
  const body = new URLSearchParams({ query, view });
  // The language of the page, which its own address may name.
  const named = new URLSearchParams(location.search).get("lang");
  if (named) body.set("lang", named);
  outcome.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(`/view?lang=${tongue}`, { method: "POST", body });
    outcome.innerHTML = await answer.text();
    const address = `/sparql?${body}`;
    if (address.length < 6000) {
      history.replaceState(null, "", address);
      const switched = document.querySelector("a.tongue");
      switched.search = new URLSearchParams({ query, view, lang: switched.hreflang });
    }
  } catch {
    outcome.textContent =
      tongue === "fr"
        ? "Le service ne répond pas ; réessayez."
        : "The service does not answer; try again.";
  } finally {
    outcome.removeAttribute("aria-busy");
  }
  show();
}

// The line of an error, in the editor too.
function show() {
  const at = outcome.querySelector("[data-line]");
  if (!at) return;
  marked = yasqe.addLineClass(Number(at.dataset.line) - 1, "wrap", "fault-line");
  yasqe.setCursor(Number(at.dataset.line) - 1, Math.max(0, Number(at.dataset.column) - 1));
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
outcome.addEventListener("click", (event) => {
  const link = event.target.closest("[data-view]");
  if (!link) return;
  event.preventDefault();
  run(link.dataset.view).then(() => outcome.querySelector("[aria-current]")?.focus());
});
const examples = form.querySelector("[data-examples]");
examples.parentElement.hidden = false;
examples.addEventListener("change", () => {
  const link = document.querySelector(`[data-question="${CSS.escape(examples.value)}"]`);
  if (!link) return;
  yasqe.setValue(new URL(link.href).searchParams.get("query"));
  run();
});
show();

// Says in the language of the page what the server says in English, by the templates of ../messages, and shows the first
// line of an error of this pack at once: the page itself has it behind "View details".
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"

const TRANSLATED = ["zh"]
const FOLDER = new URL("..", import.meta.url)
const SHOWN = 15_000 // milliseconds
const SEPARATOR = " · " // between the facts of a line
const BELOW = "animatediff-error" // the page's own card of an error, where toasts of older pages would cover it
const STYLE = `.p-toast .${BELOW} { margin-top: 190px; }`

let templates = [] // [RegExp, text in the page's language]

/** The language of the page. */
export function language() {
  return app.extensionManager?.setting?.get?.("Comfy.Locale") ?? "en"
}

/** `text`, each phrase of it that has a translation in the page's language. */
export function translated(text) {
  return text.split(SEPARATOR).map(translatedPart).join(SEPARATOR)
}

function translatedPart(text) {
  return templates.reduce((said, [phrase, words]) => {
    return said.replace(phrase, (...found) => words.replace(/\{(\d)\}/g, (_, number) => found[Number(number) + 1]))
  }, text)
}

/** A template such as "{} of {} frames" as what finds it: at an end, {} reaches to the end of the line or to a semicolon. */
function finder(template) {
  const parts = template.split("{}").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
  return new RegExp((parts[0] ? "" : "^") + parts.join("(.*?)") + (parts.at(-1) ? "" : "(?=;|\\n|$)"), "gm")
}

async function load() {
  if (!TRANSLATED.includes(language())) return
  const answer = await fetch(new URL(`messages/${language()}.json`, FOLDER))
  const entries = Object.entries(await answer.json())
  templates = entries.sort(([one], [other]) => other.length - one.length).map(([en, words]) => [finder(en), words])
}

function showError({ detail }) {
  const folder = decodeURIComponent(FOLDER.pathname.split("/").at(-2))
  const ours = /^AD[NE]_/.test(detail.node_type) || detail.traceback?.some((line) => line.includes(folder))
  if (!ours) return
  const node = app.rootGraph?.getNodeById?.(detail.node_id)
  const [first] = translated(detail.exception_message.trim()).split("\n")
  const summary = node?.title ?? detail.node_type
  app.extensionManager.toast.add({ severity: "error", summary, detail: first, life: SHOWN, styleClass: BELOW })
}

app.registerExtension({
  name: "AnimateDiffNative.Messages",
  setup() {
    document.head.append(Object.assign(document.createElement("style"), { textContent: STYLE }))
    api.addEventListener("execution_error", showError)
    return load()
  },
})

// Shows on a node what it says of its last run: the text, or the curve, that its form returned as `ui` (nodes/text.py), and
// what a sampler is told (sampling/said.py). The page's own lines of text go when a run ends.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { translated } from "./messages.js"
import { drawCurve, sized } from "./plot.js"

const TEXT = "animatediff_text" // of sampling/said.py
const CURVE = "animatediff_curve"
const EVENT = "animatediff_said"
const LINE = 17 // pixels
const HEIGHT = 72
const MARGIN = 5 // around a widget, which the classic view takes from the height that it is given

/** A widget of the page that is an element of ours, so many pixels high: only shown, and not saved. */
export function shownWidget(node, name, element, height) {
  const whole = () => height() + 2 * MARGIN
  const options = { serialize: false, hideOnZoom: false, margin: MARGIN, getMinHeight: whole, getMaxHeight: whole }
  const widget = node.addDOMWidget(name, name, element, options)
  widget.serialize = false
  return widget
}

/** A canvas as such a widget. It lies in a box: its own pixels must not say how large it is. */
export function canvasWidget(node, name, height) {
  const box = document.createElement("div")
  box.style.cssText = `position: relative; width: 100%; min-height: ${height}px;`
  const canvas = document.createElement("canvas")
  canvas.style.cssText = "position: absolute; inset: 0; width: 100%; height: 100%; touch-action: none;"
  box.append(canvas)
  shownWidget(node, name, box, () => height)
  return canvas
}

function fit(node) {
  const [width, height] = node.size
  node.setSize([width, Math.max(height, node.computeSize()[1])])
  node.setDirtyCanvas?.(true, true)
}

/** Shows a line of text at the end of a node, under a name; again under that name, in its place. */
export function showLine(node, name, text) {
  let widget = node.widgets?.find((each) => each.name === name)
  if (!widget) {
    const element = document.createElement("div")
    element.className = "animatediff-text"
    element.style.cssText =
      "font: 12px/1.4 sans-serif; padding: 2px 10px; white-space: pre-wrap; overflow: hidden auto; " +
      "color: var(--descrip-text, #999); user-select: text;"
    widget = shownWidget(node, name, element, () => rows(widget, node) * LINE + 6)
  }
  widget.element.textContent = text
  fit(node)
}

/** Takes the line under that name off a node, if it has one. */
export function hideLine(node, name) {
  const widget = node.widgets?.find((each) => each.name === name)
  if (!widget) return
  const before = node.computeSize()[1]
  node.removeWidget(widget)
  node.setSize([node.size[0], node.size[1] - before + node.computeSize()[1]])
}

/** Lines that the text needs; letters of East Asia are twice as wide. */
function rows({ element }, node) {
  const letters = Math.max((node.size[0] - 30) / 6.2, 10)
  const width = (line) => [...line].reduce((sum, letter) => sum + (letter.charCodeAt(0) > 0x2e80 ? 2 : 1), 0)
  const lines = element.textContent.split("\n")
  return Math.min(lines.reduce((sum, line) => sum + Math.max(Math.ceil(width(line) / letters), 1), 0), 8)
}

const curves = new WeakMap() // node -> its canvas

function showCurve(node, values) {
  let canvas = curves.get(node)
  if (!canvas) {
    canvas = canvasWidget(node, CURVE, HEIGHT)
    curves.set(node, canvas)
    new ResizeObserver(() => drawCurve(sized(canvas), canvas.values)).observe(canvas)
  }
  canvas.values = values
  drawCurve(sized(canvas), values)
  fit(node)
}

/** Shows what a node said of a run; nothing takes away what it said of an earlier one. */
function show(node, output) {
  const text = [...new Set(output[TEXT] ?? [])].join("\n")
  if (text) showLine(node, TEXT, translated(text))
  else if (output[TEXT]) hideLine(node, TEXT)
  if (output[CURVE]?.length) showCurve(node, output[CURVE][0])
}

/** The node of an id such as "7", or "12:7" in a subgraph; of another kind, where the graph is another by now: none. */
function nodeOf({ node: id, kind }) {
  const path = id.split(":")
  const graph = path.slice(0, -1).reduce((graph, part) => graph?.getNodeById(part)?.subgraph, app.rootGraph)
  const node = graph?.getNodeById(path.at(-1))
  return node?.type === kind ? node : undefined
}

function showAll(entries) {
  for (const entry of entries) {
    const node = nodeOf(entry)
    if (node) show(node, entry.output)
  }
}

app.registerExtension({
  name: "AnimateDiffNative.Lines",
  setup() {
    api.addEventListener(EVENT, ({ detail }) => showAll([detail]))
    // The host does not say again what nodes have said that it takes from its cache for another node's sake.
    api.addEventListener("execution_cached", async ({ detail: { nodes, prompt_id } }) => {
      const answer = nodes.length && (await api.fetchApi(`/animatediff/said/${prompt_id}`))
      if (answer?.ok) showAll((await answer.json()).filter(({ node }) => nodes.includes(node)))
    })
  },
  beforeRegisterNodeDef(nodeType, definition) {
    if (!definition.name.startsWith("ADN_")) return
    const before = nodeType.prototype.onExecuted
    nodeType.prototype.onExecuted = function (output) {
      before?.apply(this, arguments)
      if (output) show(this, output)
    }
  },
})

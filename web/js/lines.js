// Shows on a node what it says of its last run: the text, or the curve, that its form returned as `ui` (nodes/text.py).
// The page's own lines of text go when a run ends, and do not come where a node is taken from the cache.
import { app } from "../../../scripts/app.js"
import { drawCurve, sized } from "./plot.js"

const TEXT = "animatediff_text" // of nodes/text.py
const CURVE = "animatediff_curve"
const LINE = 17 // pixels
const HEIGHT = 72

/** A widget of the page that is an element of ours: only shown, and not saved. */
export function shownWidget(node, name, element, height) {
  const options = { serialize: false, hideOnZoom: false, getMinHeight: height, getMaxHeight: height }
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

/** The language of the page. */
export function language() {
  return app.extensionManager?.setting?.get?.("Comfy.Locale") ?? "en"
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

app.registerExtension({
  name: "AnimateDiffNative.Lines",
  beforeRegisterNodeDef(nodeType, definition) {
    if (!definition.name.startsWith("ADN_")) return
    const before = nodeType.prototype.onExecuted
    nodeType.prototype.onExecuted = function (output) {
      before?.apply(this, arguments)
      if (output?.[TEXT]?.length) showLine(this, TEXT, [...new Set(output[TEXT])].join("\n"))
      if (output?.[CURVE]?.length) showCurve(this, output[CURVE][0])
    }
  },
})

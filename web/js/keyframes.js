// Draws what the texts of Frame Schedule, Step Schedule and Prompt Travel mean, while they are typed, and lets points be
// dragged: the text follows, and stays what is saved. A double click makes a point, or takes one away.
import { app } from "../../../scripts/app.js"
import { canvasWidget } from "./lines.js"
import { language } from "./messages.js"
import { drawPrompts, drawSchedule, drawWords, sized } from "./plot.js"
import { EASINGS, parsePrompts, parseSchedule, parseSteps, placed, replaced, short } from "./schedule_text.js"

const HEIGHT = 84
const NEAR = 9 // pixels
const BEAT = 150 // milliseconds
const LIMIT = 1000

const KINDS = {
  ADN_FrameSchedule: { text: "text", parse: parseSchedule, frames: clipFrames },
  ADN_StepSchedule: { text: "text", parse: parseSteps, frames: () => undefined },
  ADN_PromptTravel: { text: "prompts", parse: parsePrompts, frames: promptFrames },
}
const WORDS = {
  en: { linked: "The text comes from another node.", curve: "The curve is used, not the text." },
  zh: { linked: "文本来自另一个节点。", curve: "使用接入的曲线，不用文本。" },
}

const plots = new Set()

const widgetOf = (node, name) => node?.widgets?.find((widget) => widget.name === name)
const valueOf = (node, name) => widgetOf(node, name)?.value
const isLinked = (node, name) => node.inputs?.some((input) => input.name === name && input.link != null)

function words(name) {
  return (WORDS[language()] ?? WORDS.en)[name]
}

/** Frames of the clip, as far as the graph tells: its empty latents'; else as many as the text names. */
function clipFrames(node, points) {
  const counts = (node.graph?._nodes ?? []).map((other) => valueOf(other, "batch_size")).filter(Number.isInteger)
  const named = points.filter(({ isPercent }) => !isPercent).map(({ position }) => Math.abs(Math.ceil(position)) + 1)
  return Math.min(Math.max(counts.length ? Math.max(...counts) : 16, ...named), 4096)
}

/** Frames of Prompt Travel: those of the latents that come in, where their number stands in the graph. */
function promptFrames(node) {
  const id = node.inputs?.find(({ name }) => name === "latent")?.link
  const link = id != null && (node.graph?.links.get?.(id) ?? node.graph?.links[id])
  return (link && valueOf(node.graph.getNodeById(link.origin_id), "batch_size")) || valueOf(node, "frames")
}

class Plot {
  constructor(node, kind) {
    this.node = node
    this.kind = kind
    this.canvas = canvasWidget(node, "animatediff_plot", HEIGHT)
    this.canvas.className = "animatediff-plot"
    for (const [event, act] of [
      ["pointerdown", (e) => this.take(e)],
      ["pointermove", (e) => this.drag(e)],
      ["pointerup", (e) => this.drop(e)],
      ["pointercancel", (e) => this.drop(e)],
      ["dblclick", (e) => this.toggle(e)],
    ])
      this.canvas.addEventListener(event, act)
    const { element } = widgetOf(node, kind.text) ?? {}
    element?.addEventListener?.("input", () => this.draw())
    plots.add(this)
  }

  get text() {
    return valueOf(this.node, this.kind.text) ?? ""
  }

  /** What the drawing depends on; it is drawn anew when that changes. */
  state() {
    const { node, kind, canvas } = this
    const linked = isLinked(node, kind.text) ? "linked" : isLinked(node, "curve") ? "curve" : ""
    const values = [this.text, linked, valueOf(node, "easing"), valueOf(node, "loop"), kind.frames(node, [])]
    return JSON.stringify([...values, canvas.clientWidth, canvas.clientHeight])
  }

  /** Nodes 2.0 keep the element of an earlier node with this id, where a graph takes another's place. */
  show() {
    const box = this.canvas.parentElement
    box.dataset.animatediffPlot = this.node.id
    if (box.isConnected) return
    document.querySelector(`[data-animatediff-plot="${this.node.id}"]`)?.replaceWith(box)
  }

  refresh() {
    if (!this.node.graph || this.grip) return
    this.show()
    const state = this.state()
    if (state === this.drawn) return
    this.draw()
    this.drawn = state
  }

  draw() {
    const { node, kind } = this
    const surface = sized(this.canvas)
    this.shown = undefined
    if (isLinked(node, kind.text)) return drawWords(surface, words("linked"))
    try {
      const points = kind.parse(this.text)
      const frames = kind.frames(node, points)
      if (kind.parse === parsePrompts) {
        const easing = valueOf(node, "easing")
        const loop = valueOf(node, "loop") === true
        this.shown = drawPrompts(surface, points, frames, EASINGS[easing] ? easing : "linear", loop)
      } else {
        const curve = isLinked(node, "curve")
        const shown = drawSchedule(surface, points, frames, this.grip?.range, curve)
        if (curve) drawNote(surface, words("curve"))
        else this.shown = shown
      }
      this.points = points
      this.frames = frames
    } catch (error) {
      drawWords(surface, error.message, true)
    }
  }

  /** Where the pointer is, in the canvas's own pixels (the graph is zoomed). */
  at(event) {
    const box = this.canvas.getBoundingClientRect()
    return [
      ((event.clientX - box.left) / box.width) * this.canvas.clientWidth,
      ((event.clientY - box.top) / box.height) * this.canvas.clientHeight,
    ]
  }

  near([x, y]) {
    const isPrompt = this.kind.parse === parsePrompts
    const far = (dot) => Math.hypot(dot.x - x, isPrompt ? 0 : dot.y - y)
    const [closest] = [...(this.shown?.dots ?? [])].sort((a, b) => far(a) - far(b))
    return closest && far(closest) <= NEAR ? closest : undefined
  }

  take(event) {
    event.stopPropagation()
    const dot = event.button === 0 && this.near(this.at(event))
    if (!dot) return
    event.preventDefault()
    const others = this.shown.dots.map(({ position }) => position).filter((position) => position !== dot.position)
    const { range, last } = this.shown
    this.grip = {
      index: dot.index,
      range,
      least: Math.max(0, ...others.filter((position) => position < dot.position).map((p) => p + this.step(1))),
      most: Math.min(last, ...others.filter((position) => position > dot.position).map((p) => p - this.step(1))),
    }
    this.canvas.setPointerCapture(event.pointerId)
  }

  /** The smallest distance of two points: a frame, or a hundredth of the sampling. */
  step(count) {
    return this.frames === undefined ? count / 100 : count
  }

  drag(event) {
    const [x, y] = this.at(event)
    this.canvas.style.cursor = this.grip ? "grabbing" : this.near([x, y]) ? "grab" : "default"
    if (!this.grip || !this.shown) return
    event.stopPropagation()
    const { scale } = this.shown
    const { index, least, most } = this.grip
    const raw = Math.round(scale.place(x) / this.step(1)) * this.step(1)
    const place = Math.min(Math.max(raw, least), Math.max(most, least))
    this.write(this.moved(this.points[index], place, scale.value(y)))
  }

  /** The text with a point at another place of the clip, or of the sampling. */
  moved(point, place, value) {
    if (this.kind.parse === parsePrompts)
      return replaced(this.text, [[...point.at, String(point.frame < 0 ? place - this.frames : place)]])
    const number = short(Math.round(Math.min(Math.max(value, -LIMIT), LIMIT) * 100) / 100)
    return replaced(this.text, [
      [...point.at.position, this.named(point, place)],
      [...point.at.value, number],
    ])
  }

  /** A place as the text names the point's now: a frame, one from the end, or percents. */
  named(point, place) {
    if (point.isPercent) return `${short((100 * place) / (this.frames === undefined ? 1 : Math.max(this.frames - 1, 1)))}%`
    if (this.frames === undefined) return short(place)
    return String(point.position < 0 ? Math.round(place) - this.frames : Math.round(place))
  }

  drop(event) {
    if (!this.grip) return
    event.stopPropagation()
    this.grip = undefined
    this.draw()
    remember()
  }

  toggle(event) {
    event.stopPropagation()
    event.preventDefault()
    if (!this.shown || this.kind.parse === parsePrompts) return
    const dot = this.near(this.at(event))
    if (dot) this.remove(dot.index)
    else this.add(...this.at(event))
    remember()
  }

  remove(index) {
    if (this.points.length < 2) return
    const [start] = this.points[index].at.position
    const from = index ? this.points[index - 1].at.end : start
    const to = index ? this.points[index].at.end : this.points[1].at.position[0]
    this.write(replaced(this.text, [[from, to, ""]]))
  }

  /** A point where the curve is at that place, behind the one before it in the text. */
  add(x, y) {
    const { scale, last } = this.shown
    const place = Math.min(Math.max(Math.round(scale.place(x) / this.step(1)) * this.step(1), 0), last)
    const inOrder = placed(this.points, this.frames)
    if (inOrder.some(({ position }) => Math.abs(position - place) < this.step(1) / 2)) return
    const before = [...inOrder].reverse().find(({ position }) => position < place)
    const point = before ?? inOrder[0]
    const plain = { position: 0, isPercent: this.frames === undefined }
    const entry = `${this.named(plain, place)}: ${short(Math.round(scale.value(y) * 100) / 100)}`
    const [at, words] = before ? [point.at.end, `, ${entry}`] : [point.at.position[0], `${entry}, `]
    this.write(replaced(this.text, [[at, at, words]]))
  }

  write(text) {
    const widget = widgetOf(this.node, this.kind.text)
    if (text === widget.value) return
    widget.value = text
    widget.callback?.(text, app.canvas, this.node)
    this.draw()
    this.node.setDirtyCanvas?.(true, true)
  }
}

function drawNote({ context, width }, text) {
  context.fillStyle = "#8b8f99"
  context.textAlign = "right"
  context.textBaseline = "top"
  context.fillText(text, width - 14, 14)
}

/** Lets the page know that the workflow has changed, so that undo takes the whole drag back. */
function remember() {
  const tracker = app.extensionManager?.workflow?.activeWorkflow?.changeTracker
  ;(tracker?.captureCanvasState ?? tracker?.checkState)?.call(tracker)
}

app.registerExtension({
  name: "AnimateDiffNative.Keyframes",
  setup() {
    setInterval(() => {
      for (const plot of plots) plot.refresh()
    }, BEAT)
  },
  nodeCreated(node) {
    const kind = KINDS[node.comfyClass]
    if (!kind || !widgetOf(node, kind.text)) return
    const plot = new Plot(node, kind)
    const removed = node.onRemoved
    node.onRemoved = function () {
      plots.delete(plot)
      removed?.apply(this, arguments)
    }
    const added = node.onAdded
    node.onAdded = function () {
      plots.add(plot)
      added?.apply(this, arguments)
    }
  },
})

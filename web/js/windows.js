// Says on Context Windows, before a run, how many windows the clip in this graph will have (the server counts them), and
// greys out what the chosen preset does not use.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"
import { hideLine, showLine } from "./lines.js"
import { language, translated } from "./messages.js"

const KIND = "ADN_ContextWindows"
const LINE = "animatediff_windows"
const OF_CUSTOM = ["context_overlap", "context_schedule", "fuse_method", "context_stride", "closed_loop"]
const BEAT = 500 // milliseconds
const DEEP = 12 // nodes between the windows, the sampler and the latents

const asked = new WeakMap() // node -> what its line answers

const widgetOf = (node, name) => node?.widgets?.find((widget) => widget.name === name)
const isLinked = (node, name) => node.inputs?.some((input) => input.widget?.name === name && input.link != null)
/** A widget's value; none where another node makes it. */
const valueOf = (node, name) => (isLinked(node, name) ? undefined : widgetOf(node, name)?.value)
const linkOf = (node, id) => node.graph.links.get?.(id) ?? node.graph.links[id]

function nodesBehind(node) {
  const links = (node.outputs ?? []).flatMap((output) => (output.type === "MODEL" ? (output.links ?? []) : []))
  return links.map((id) => node.graph.getNodeById(linkOf(node, id)?.target_id)).filter(Boolean)
}

/** The sampler that gets a node's MODEL. */
function samplerOf(node, deep = DEEP) {
  if (!deep) return
  for (const next of nodesBehind(node)) {
    if (widgetOf(next, "steps") && next.inputs?.some(({ name }) => name === "latent_image")) return next
    const found = samplerOf(next, deep - 1)
    if (found) return found
  }
}

/** How many frames come into an input: the batch of the latents that are made there. */
function framesInto(node, name, deep = DEEP) {
  const input = node.inputs?.find((each) => (name ? each.name === name : ["LATENT", "IMAGE"].includes(each.type)))
  const source = input?.link != null && node.graph.getNodeById(linkOf(node, input.link)?.origin_id)
  if (!source || !deep) return
  for (const count of ["batch_size", "amount"]) {
    const value = valueOf(source, count)
    if (Number.isInteger(value)) return value
  }
  return framesInto(source, undefined, deep - 1)
}

function sentence(frames, windows) {
  const total = windows.reduce((sum, count) => sum + count, 0)
  const [least, most] = [Math.min(...windows), Math.max(...windows)]
  const each = least === most ? `${most}` : `${least}-${most}`
  const steps = windows.length
  if (language() === "zh")
    return most === 1 ? `${frames} 帧，一个窗口` : `${frames} 帧：每步 ${each} 个窗口，${steps} 步共 ${total} 个`
  if (most === 1) return `${frames} frames in one window`
  return `${frames} frames: ${each} windows a step, ${total} in ${steps} steps`
}

async function refresh(node) {
  const preset = widgetOf(node, "preset")?.value
  for (const name of OF_CUSTOM) {
    const widget = widgetOf(node, name)
    const disabled = preset !== "custom"
    if (widget && Boolean(widget.disabled) !== disabled) {
      widget.disabled = disabled
      node.setDirtyCanvas?.(true, true)
    }
  }
  const sampler = samplerOf(node)
  const frames = sampler && framesInto(sampler, "latent_image")
  const steps = sampler && valueOf(sampler, "steps")
  const values = node.widgets.filter(({ name, serialize }) => name && serialize !== false)
  if (!frames || !steps || values.some(({ name }) => isLinked(node, name))) {
    asked.delete(node)
    return hideLine(node, LINE)
  }
  const settings = Object.fromEntries(values.map(({ name, value }) => [name, value]))
  const question = JSON.stringify({ frames, steps, settings })
  const now = `${language()} ${question}`
  if (asked.get(node) === now) return
  asked.set(node, now)
  const headers = { "Content-Type": "application/json" }
  const answer = await api.fetchApi("/animatediff/windows", { method: "POST", headers, body: question })
  if (!answer.ok) return
  const { windows, mistake } = await answer.json()
  if (asked.get(node) !== now) return
  showLine(node, LINE, mistake ? translated(mistake) : sentence(frames, windows))
}

const shown = new Set()

app.registerExtension({
  name: "AnimateDiffNative.Windows",
  setup() {
    setInterval(() => {
      for (const node of shown) if (node.graph) refresh(node)
    }, BEAT)
  },
  nodeCreated(node) {
    if (node.comfyClass !== KIND) return
    shown.add(node)
    const removed = node.onRemoved
    node.onRemoved = function () {
      shown.delete(node)
      removed?.apply(this, arguments)
    }
  },
})

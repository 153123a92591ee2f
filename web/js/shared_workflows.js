// Opens workflows that older web pages saved with ComfyUI-AnimateDiff-Evolved's nodes: puts what their files say in
// the order and under the names of our forms, before the page reads it. Nodes that another pack serves are left alone.
import { app } from "../../../scripts/app.js"

const CATEGORY = "animatediff/compatibility" // of nodes/compat/types.py
const RENAMED = { ADE_AnimateDiffLoaderWithContext: { motion_model_settings: "ad_settings" } }
const KINDS = { INT: "number", FLOAT: "number", BOOLEAN: "boolean", STRING: "string", COMBO: "string" }

const forms = new Map() // our forms: node id -> definition

function renameInputs(node) {
  const inputs = node.inputs ?? []
  for (const [old, name] of Object.entries(RENAMED[node.type] ?? {}))
    if (!inputs.some((input) => input.name === name))
      for (const input of inputs) if (input.name === old) input.name = name
}

/** The inputs of a form that can hold a value: [{name, kind, isSocket}], in the order of `widgets_values`. */
function valueInputs(definition) {
  const { required = {}, optional = {} } = definition.input ?? {}
  return [...Object.entries(required), ...Object.entries(optional)]
    .map(([name, [type, options]]) => ({ name, kind: KINDS[Array.isArray(type) ? "COMBO" : type], options }))
    .filter(({ kind }) => kind)
    .map(({ name, kind, options }) => ({ name, kind, isSocket: options?.forceInput === true }))
}

/** Whether each value is of the kind of the input at its place. Old forms were shorter; an unset file name is null. */
function fits(values, inputs) {
  return values.every((value, index) => {
    const kind = inputs[index]?.kind
    return !kind || typeof value === kind || (kind === "string" && value === null)
  })
}

/**
 * Older pages also stored a value for a socket of a number or text, and marked its input with a `widget`. Later pages
 * keep that mark but store no value, so the kinds of the values decide. Many of the pack's nodes also end with one
 * empty text that belongs to no input. Values that fit in neither way stay as they are.
 */
function orderValues(node, definition) {
  if (!Array.isArray(node.widgets_values)) return
  const marked = new Set(node.inputs?.filter((input) => input.widget).map((input) => input.name))
  const all = valueInputs(definition)
  const readings = [
    all.filter((input) => !input.isSocket || marked.has(input.name)),
    all.filter((input) => !input.isSocket),
  ]
  const stored = node.widgets_values
  const shorter = stored.at(-1) === "" ? [stored, stored.slice(0, -1)] : [stored]
  for (const inputs of readings)
    for (const values of shorter)
      if (fits(values, inputs)) {
        node.widgets_values = values.slice(0, inputs.length).filter((_, index) => !inputs[index].isSocket)
        return
      }
}

/** A link from a node that the file does not have: newer pages refuse to run a graph with one. */
function dropDanglingLinks(graph) {
  const nodes = graph.nodes ?? []
  const present = new Set(nodes.map(({ id }) => String(id)))
  const ends = (graph.links ?? []).map((link) => (Array.isArray(link) ? link : [link.id, link.origin_id]))
  // A subgraph's own inputs are an origin of a negative number.
  const dangling = new Set(ends.filter(([, origin]) => !(origin < 0 || present.has(String(origin)))).map(([id]) => id))
  if (!dangling.size) return
  graph.links = graph.links.filter((_, index) => !dangling.has(ends[index][0]))
  for (const input of nodes.flatMap(({ inputs }) => inputs ?? [])) if (dangling.has(input.link)) input.link = null
}

app.registerExtension({
  name: "AnimateDiffNative.SharedWorkflows",
  beforeRegisterNodeDef(_, definition) {
    if (definition.category === CATEGORY) forms.set(definition.name, definition)
  },
  beforeConfigureGraph(graph) {
    // Not group nodes: the page takes values from the group, which has one per widget, and none from the nodes in it.
    const graphs = [graph, ...(graph.definitions?.subgraphs ?? [])]
    const ours = graphs.flatMap(({ nodes }) => nodes ?? []).filter(({ type }) => forms.has(type))
    if (ours.length) graphs.forEach(dropDanglingLinks)
    for (const node of ours) {
      renameInputs(node)
      orderValues(node, forms.get(node.type))
    }
  },
})

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

app.registerExtension({
  name: "AnimateDiffNative.SharedWorkflows",
  beforeRegisterNodeDef(_, definition) {
    if (definition.category === CATEGORY) forms.set(definition.name, definition)
  },
  beforeConfigureGraph(graph) {
    // Not group nodes: the page takes values from the group, which has one per widget, and none from the nodes in it.
    const graphs = [graph, ...(graph.definitions?.subgraphs ?? [])]
    for (const node of graphs.flatMap(({ nodes }) => nodes ?? [])) {
      const definition = forms.get(node.type)
      if (!definition) continue
      renameInputs(node)
      orderValues(node, definition)
    }
  },
})

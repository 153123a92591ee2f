// Plays the clip on the sampler while it is sampled. The page draws previews on its canvas, where an animation stands
// still at its first picture, so its pictures are shown there one by one. Where the page has no ImageDecoder (old
// browsers; addresses that are neither https nor this machine) another frame of the clip comes with each step.
import { api } from "../../../scripts/api.js"
import { app } from "../../../scripts/app.js"

let latest = 0 // number of the last animation that came; 0 for none
let place = 0 // in the clip, kept from one animation to the next
let frames = [] // {picture, milliseconds} of the animation that is shown

/** The node of an execution id: "7", or "5:7" for node 7 in subgraph 5. */
function nodeOf(id) {
  let node
  let graph = app.rootGraph ?? app.graph
  for (const part of String(id).split(":")) {
    node = graph?.getNodeById(part)
    graph = node?.subgraph
  }
  return node
}

async function pictureOf(frame) {
  const canvas = Object.assign(document.createElement("canvas"), { width: frame.codedWidth, height: frame.codedHeight })
  canvas.getContext("2d").drawImage(frame, 0, 0)
  const picture = new Image()
  picture.src = URL.createObjectURL(await new Promise((done) => canvas.toBlob(done)))
  await picture.decode()
  return picture
}

/** The pictures of an animation; none of a still. */
async function framesOf(blob) {
  const decoder = new ImageDecoder({ data: await blob.arrayBuffer(), type: blob.type })
  await Promise.all([decoder.tracks.ready, decoder.completed])
  const count = decoder.tracks.selectedTrack.frameCount
  const found = []
  for (let frameIndex = 0; count > 1 && frameIndex < count; frameIndex++) {
    const { image } = await decoder.decode({ frameIndex })
    found.push({ picture: await pictureOf(image), milliseconds: image.duration / 1000 })
    image.close()
  }
  decoder.close()
  return found
}

function forget(shown) {
  for (const { picture } of shown) URL.revokeObjectURL(picture.src)
}

function play(node, number) {
  if (number !== latest || !node.graph) return
  const { picture, milliseconds } = frames[place++ % frames.length]
  node.imgs = [picture]
  app.canvas.setDirty(true, true)
  setTimeout(() => play(node, number), milliseconds)
}

async function onPreview({ detail: { blob, displayNodeId } }) {
  const node = nodeOf(displayNodeId)
  if (!node || blob.type !== "image/png" || !window.ImageDecoder || LiteGraph.vueNodesMode) return
  const number = ++latest
  const found = await framesOf(blob)
  if (number !== latest || !found.length) return forget(found)
  forget(frames)
  frames = found
  play(node, number)
}

function stop() {
  latest++
}

app.registerExtension({
  name: "AnimateDiffNative.MovingPreview",
  setup() {
    api.addEventListener("b_preview_with_metadata", onPreview)
    for (const end of ["executing", "execution_success", "execution_error", "execution_interrupted"])
      api.addEventListener(end, stop)
  },
})

// Draws values over frames, and prompts over frames, on a canvas. Nothing of the page.
import { placed, sharesOf, short, valueAt } from "./schedule_text.js"

const INK = "#8ab8ff"
const FAINT = "rgba(138, 184, 255, 0.16)"
const QUIET = "#8b8f99"
const WRONG = "#ff8a80"
const HUES = [212, 28, 140, 320, 52, 265, 180, 0]
export const LEFT = 34
export const RIGHT = 10
export const TOP = 10
export const BOTTOM = 16

/** The canvas with as many pixels as it has on the screen; {context, width, height} in the page's pixels. */
export function sized(canvas) {
  const width = canvas.clientWidth || 280
  const height = canvas.clientHeight || 72
  const scale = Math.min(Math.max(window.devicePixelRatio || 1, 1), 3) * 1.5 // the graph is zoomed
  canvas.width = Math.round(width * scale)
  canvas.height = Math.round(height * scale)
  const context = canvas.getContext("2d")
  context.scale(scale, scale)
  context.font = "10px sans-serif"
  return { context, width, height }
}

/** The values between which a curve is drawn: a little more than it has, or around it where it is constant. */
export function rangeOf(values) {
  let low = Math.min(0, ...values)
  let high = Math.max(...values)
  if (high - low < 1e-9) high = low + 1
  return [low, high + (high - low) * 0.15]
}

/** {x, y, frame, value}: from a place in the clip and a value to pixels, and back. */
export function axes({ width, height }, last, [low, high]) {
  const across = width - LEFT - RIGHT
  const down = height - TOP - BOTTOM
  return {
    x: (place) => LEFT + (across * place) / Math.max(last, 1e-9),
    y: (value) => TOP + down * (1 - (value - low) / (high - low)),
    place: (x) => ((x - LEFT) / across) * last,
    value: (y) => low + (1 - (y - TOP) / down) * (high - low),
  }
}

function frameOfPlot({ context, width, height }, scale, last, [low, high], name) {
  context.clearRect(0, 0, width, height)
  context.strokeStyle = FAINT
  context.strokeRect(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM)
  context.fillStyle = QUIET
  context.textBaseline = "middle"
  context.textAlign = "right"
  for (const value of [low, high]) context.fillText(short(Number(value.toPrecision(3))), LEFT - 4, scale.y(value))
  context.textBaseline = "bottom"
  context.textAlign = "left"
  context.fillText(name(0), LEFT, height - 2)
  context.textAlign = "right"
  context.fillText(name(last), width - RIGHT, height - 2)
}

function polyline(context, points) {
  context.beginPath()
  for (const [x, y] of points) context.lineTo(x, y)
}

function curve({ context }, scale, points, [low]) {
  const [first, end] = [points[0], points[points.length - 1]]
  polyline(context, [[first[0], scale.y(low)], ...points, [end[0], scale.y(low)]])
  context.fillStyle = FAINT
  context.fill()
  polyline(context, points)
  context.strokeStyle = INK
  context.lineWidth = 1.5
  context.stroke()
}

/** A value for each frame. */
export function drawCurve(surface, values) {
  const range = rangeOf(values)
  const last = Math.max(values.length - 1, 1)
  const scale = axes(surface, last, range)
  frameOfPlot(surface, scale, last, range, (place) => `${Math.round(place)}`)
  curve(surface, scale, (values.length > 1 ? values : [values[0], values[0]]).map((v, i) => [scale.x(i), scale.y(v)]), range)
}

/**
 * A schedule's points with the way between them. frames: of the clip; undefined for the sampling, 0 to 1.
 * Gives {scale, points} in pixels, to be dragged.
 */
export function drawSchedule(surface, points, frames, range, faint) {
  const { context, width } = surface
  const last = frames === undefined ? 1 : Math.max(frames - 1, 1)
  const inOrder = placed(points, frames)
  const shown = range ?? rangeOf(points.map(({ value }) => value))
  const scale = axes(surface, last, shown)
  const name = frames === undefined ? (place) => `${Math.round(place * 100)}%` : (place) => `${Math.round(place)}`
  frameOfPlot(surface, scale, last, shown, name)
  const steps = Math.max(Math.round(width - LEFT - RIGHT), 2)
  const line = Array.from({ length: steps + 1 }, (_, step) => {
    const place = (last * step) / steps
    return [scale.x(place), scale.y(valueAt(inOrder, place))]
  })
  context.globalAlpha = faint ? 0.35 : 1
  curve(surface, scale, line, shown)
  const dots = inOrder.map((point) => ({ ...point, x: scale.x(point.position), y: scale.y(point.value) }))
  context.fillStyle = INK
  for (const { x, y } of dots) {
    context.beginPath()
    context.arc(x, y, 3.5, 0, 7)
    context.fill()
  }
  context.globalAlpha = 1
  return { scale, dots, range: shown, last }
}

/** Which prompt when: a band for each, as high as its share. */
export function drawPrompts(surface, stops, frames, easing, loop) {
  const { context, width, height } = surface
  const last = Math.max(frames - 1, 1)
  const scale = axes(surface, last, [0, 1])
  frameOfPlot(surface, scale, last, [0, 1], (place) => `${Math.round(place)}`)
  const shares = sharesOf(stops, frames, easing, loop)
  const color = (index, alpha) => `hsla(${HUES[index % HUES.length]}, 70%, 65%, ${alpha})`
  stops.forEach((stop, index) => {
    const heights = shares.map(([a, b, share]) => (a === index ? 1 - share : 0) + (b === index && a !== b ? share : 0))
    heights.forEach((value, frame) => (heights[frame] = Math.min(value, 1)))
    const line = (heights.length > 1 ? heights : [heights[0], heights[0]]).map((v, i) => [scale.x(i), scale.y(v)])
    polyline(context, [[line[0][0], scale.y(0)], ...line, [line[line.length - 1][0], scale.y(0)]])
    context.fillStyle = color(index, 0.3)
    context.fill()
  })
  const dots = stops.map((stop, index) => {
    const frame = stop.frame + (stop.frame < 0 ? frames : 0)
    return { ...stop, index, position: frame, x: scale.x(frame), y: scale.y(0.5) }
  })
  context.textBaseline = "middle"
  const inOrder = [...dots].sort((a, b) => a.x - b.x)
  inOrder.forEach(({ x, y, index, prompt }, n) => {
    context.fillStyle = color(index, 1)
    context.fillRect(x - 1, TOP, 2, height - TOP - BOTTOM)
    const room = (inOrder[n + 1]?.x ?? width - RIGHT) - x - 8
    const atEnd = room < 30
    context.textAlign = atEnd ? "right" : "left"
    context.fillText(cut(context, prompt, atEnd ? 90 : room), x + (atEnd ? -5 : 5), y + ((n % 3) - 1) * 12)
  })
  return { scale, dots, range: [0, 1], last }
}

function cut(context, text, room) {
  const line = text.split("\n")[0]
  if (context.measureText(line).width <= room) return line
  let end = line.length
  while (end > 1 && context.measureText(line.slice(0, end) + "…").width > room) end--
  return line.slice(0, end) + "…"
}

/** A sentence in place of the curve. */
export function drawWords({ context, width, height }, words, isWrong) {
  context.clearRect(0, 0, width, height)
  context.fillStyle = isWrong ? WRONG : QUIET
  context.textAlign = "left"
  context.textBaseline = "top"
  let line = ""
  let y = 6
  for (const word of words.split(/(?<= )|(?<=[\u4e00-\u9fff])/)) {
    if (line && context.measureText(line + word).width > width - 16) {
      context.fillText(line, 8, y)
      line = ""
      y += 13
    }
    line += word
  }
  context.fillText(line, 8, y)
}

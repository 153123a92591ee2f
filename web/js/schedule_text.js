// What texts of schedules and prompts mean, computed in the page as sampling/values/schedules.py and prompts.py do (a
// test holds the two to the same numbers), and how a text changes when one of its points is moved. Nothing of the page.

const LIMIT = 1000
const FULL_WIDTH = { "、": ",", "“": '"', "”": '"', "‘": "'", "’": "'", "\u3000": " " }
const SYNONYMS = { hold: "jump", step: "jump", "ease in out": "ease", ease_in: "ease in", ease_out: "ease out" }
const NUMBER = /^[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?$/
const PARTS =
  /^(\s*["']?)([^:="']*)(["']?\s*)([:=]?)(\s*\(?)([^\s()]*)(\)?\s*)([^\n]*?)\s*$/
const KEY = /^([\s,{]*["']?\s*)([-+]?\d+)(\s*["']?\s*[:=]\s*)/

const NO_COLON = /^[\s{]*["']?\s*([-+]?\d+)\s*["']?\s*[,;]/

export const EASINGS = {
  linear: (x) => x,
  ease: (x) => (1 - Math.cos(Math.PI * x)) / 2,
  "ease in": (x) => x * x,
  "ease out": (x) => 1 - (1 - x) ** 2,
  jump: (x) => (x >= 1 ? 1 : 0),
}

export class TextError extends Error {
  constructor(text, at, what) {
    const before = text.slice(0, at).split("\n")
    super(`Line ${before.length}, column ${last(before).length + 1}: ${what}`)
  }
}

const last = (list) => list[list.length - 1]

function halfWidth(text) {
  return text.replace(/[\uff01-\uff5e、“”‘’\u3000]/g, (letter) => {
    return FULL_WIDTH[letter] ?? String.fromCharCode(letter.charCodeAt(0) - 0xfee0)
  })
}

/** A number as Python's `:g` writes it. */
export function short(number) {
  return String(Number(Number(number).toPrecision(6)))
}

/** [{position, value, easing, isPercent, at: {position: [start, end], value: [start, end], end}}] of a schedule's text. */
export function parseSchedule(written) {
  const text = halfWidth(written)
  const points = []
  for (const match of text.matchAll(/[^,;\n]+/g)) if (match[0].trim()) points.push(pointOf(text, match))
  if (!points.length)
    throw new TextError(text, 0, "the schedule is empty. Write a position, a colon and a value, as in 0: 1.0")
  const counts = new Map()
  const place = ({ position, isPercent }) => `${position + 0} ${isPercent}`
  for (const point of points) counts.set(place(point), (counts.get(place(point)) ?? 0) + 1)
  const twin = points.find((point) => counts.get(place(point)) > 1)
  if (twin)
    throw new TextError(text, 0, `the position ${short(twin.position)} is there twice. Leave one of them out`)
  return points
}

function pointOf(text, match) {
  const [, lead, written, gap, colon, open, value, close, tail] = PARTS.exec(match[0])
  const start = match.index
  const position = written.trim()
  if (!colon) {
    const entry = match[0].trim()
    const what = `'${entry}' has no colon. Write a position, a colon and a value, as in 16: 0.6`
    throw new TextError(text, start + match[0].length - match[0].trimStart().length, what)
  }
  const isPercent = position.endsWith("%")
  const place = (isPercent ? position.slice(0, -1) : position).trim()
  const positionAt = start + lead.length
  if (!NUMBER.test(place)) throw new TextError(text, positionAt, `'${position}' is not a position (16, or 50%)`)
  const valueAt = positionAt + written.length + gap.length + colon.length + open.length
  if (!NUMBER.test(value)) {
    const what = value ? `'${value}' is not a number` : "a number is missing after the colon"
    throw new TextError(text, valueAt, `${what}. Write one, as in 16: 0.6`)
  }
  if (Math.abs(Number(value)) > LIMIT)
    throw new TextError(text, valueAt, `${value} is more than any strength can be (${LIMIT})`)
  let easing = tail.toLowerCase().replace(/-/g, " ").split(/\s+/).filter(Boolean).join(" ") || "linear"
  easing = SYNONYMS[easing] ?? easing
  if (!Object.keys(EASINGS).includes(easing)) {
    const choices = Object.keys(EASINGS).join(", ")
    throw new TextError(text, valueAt + value.length + close.length, `'${tail}' is none of ${choices}`)
  }
  const positionStart = positionAt + written.length - written.trimStart().length
  return {
    position: isPercent ? Number(place) / 100 : Number(place),
    value: Number(value),
    easing,
    isPercent,
    at: {
      position: [positionStart, positionStart + position.length],
      value: [valueAt, valueAt + value.length],
      end: start + match[0].trimEnd().length,
    },
  }
}

export function valueAt(points, position) {
  if (position <= points[0].position) return points[0].value
  for (let index = 1; index < points.length; index++) {
    const [before, after] = [points[index - 1], points[index]]
    if (position > after.position) continue
    const share = EASINGS[after.easing]((position - before.position) / (after.position - before.position))
    return before.value + (after.value - before.value) * share
  }
  return last(points).value
}

/** Where a point lies in a clip of so many frames. */
export function frameOf(point, frames) {
  if (point.isPercent) return point.position * (frames - 1)
  return point.position < 0 ? point.position + frames : point.position
}

/** The points where they lie, in order; `index` is their place in the text. */
export function placed(points, frames) {
  return points
    .map((point, index) => ({ ...point, index, position: frames === undefined ? point.position : frameOf(point, frames) }))
    .sort((a, b) => a.position - b.position)
}

export function valuesOver(points, frames) {
  const inOrder = placed(points, frames)
  return Array.from({ length: frames }, (_, frame) => valueAt(inOrder, frame))
}

/** Points of a text over the sampling, whose positions are 0 to 1, or percents. */
export function parseSteps(text) {
  const points = parseSchedule(text)
  for (const { position, isPercent } of points)
    if (!(position >= 0 && position <= 1)) {
      const written = isPercent ? `${short(position * 100)}%` : short(position)
      const what = `the position ${written} is not within the sampling. Write 0 to 1, or percents, as in 50%: 0.6`
      throw new TextError(text, 0, what)
    }
  return points
}

/** The text with other words in some of its places: [[start, end, words]]. */
export function replaced(text, changes) {
  for (const [start, end, words] of [...changes].sort((a, b) => b[0] - a[0]))
    text = text.slice(0, start) + words + text.slice(end)
  return text
}

/** The text without its head and tail, which stand before and behind all prompts. */
function body(text) {
  const lines = text.split("\n")
  const plain = lines.map(halfWidth)
  const frames = plain.map((line, number) => (KEY.test(line) ? number : -1)).filter((number) => number >= 0)
  if (!frames.length) return text
  const gap = plain.findIndex((line, number) => number > last(frames) && !line.trim())
  const isOutside = (number) => number < frames[0] || (gap >= 0 && number >= gap)
  const isWords = (number) => plain[number].replace(/^[ \t,{}]+|[ \t,{}]+$/g, "") && !NO_COLON.test(plain[number])
  return lines.map((line, number) => (isOutside(number) && isWords(number) ? " ".repeat(line.length) : line)).join("\n")
}

/** [{frame, prompt, at: [start, end]}]: the stops of Prompt Travel's text. */
export function parsePrompts(written) {
  const text = body(written)
  const found = []
  let at = 0
  for (const line of text.split("\n")) {
    const plain = halfWidth(line)
    const match = KEY.exec(plain)
    if (match) {
      const start = at + match[1].length
      found.push({ frame: Number(match[2]), prompt: line.slice(match[0].length), at: [start, start + match[2].length] })
    } else if (NO_COLON.test(plain)) {
      const frame = NO_COLON.exec(plain)[1]
      const what = `'${line.trim()}' has no colon. Write a frame, a colon and a prompt, as in ${frame}: a river`
      throw new TextError(text, at, what)
    } else if (plain.replace(/^[ \t,{}]+|[ \t,{}]+$/g, "")) {
      if (!found.length)
        throw new TextError(text, at, `'${line.trim()}' has no frame. Write the frame first, as in 0: a river`)
      last(found).prompt += `\n${line}`
    }
    at += line.length + 1
  }
  if (!found.length)
    throw new TextError(text, 0, "there is no prompt. Write a frame, a colon and a prompt, as in 0: a river")
  const twin = found.find((stop, index) => index && found.filter((other) => other.frame === stop.frame).length > 1)
  if (twin) {
    const line = text.lastIndexOf("\n", twin.at[0]) + 1
    throw new TextError(text, line, `frame ${twin.frame} has two prompts. Leave one of them out`)
  }
  return found.map((stop) => ({ ...stop, prompt: unquoted(stop.prompt) }))
}

function unquoted(prompt) {
  prompt = prompt.trim()
  for (const mark of "},") if (halfWidth(prompt.slice(-1)) === mark) prompt = prompt.slice(0, -1).trimEnd()
  if (prompt.length > 1 && ['""', "''"].includes(halfWidth(prompt[0] + prompt.slice(-1)))) prompt = prompt.slice(1, -1)
  return prompt.trim()
}

/** For each frame [stop before, stop after, share of the latter], indices into `stops`; with `loop` around the end. */
export function sharesOf(stops, frames, easing, loop) {
  const places = stops.map(({ frame }) => frame + (frame < 0 ? frames : 0))
  const sorted = (list) => [...list].sort((a, b) => a.place - b.place)
  const all = places.map((place, index) => ({ place, index }))
  const inside = all.filter(({ place }) => place >= 0 && place < frames)
  const around = loop && inside.length > 0
  let inOrder = sorted(around ? inside : all)
  const [first] = inOrder
  if (around) inOrder = sorted([...inOrder, { place: first.place + frames, index: first.index }])
  return Array.from({ length: frames }, (_, at) => {
    const frame = around && at < first.place ? at + frames : at
    const after = inOrder.findIndex(({ place }) => place > frame)
    if (after <= 0) {
      const only = (after === 0 ? first : last(inOrder)).index
      return [only, only, 0]
    }
    const [before, next] = [inOrder[after - 1], inOrder[after]]
    return [before.index, next.index, EASINGS[easing]((frame - before.place) / (next.place - before.place))]
  })
}

"""A stand-in for ComfyUI that answers as fast as it can: copied as `main.py` into a folder, which is then a ComfyUI.

Its one node is Fake (under the name of ours as well that gangs need). `does` says what a clip does to it: work, raise,
wrong, memory, refuse, nothing, end, hang; `once` names a file that the first run leaves, and that makes all later ones
work. models.txt beside it holds the files that it has, version.txt its version; each start adds its place in a gang to
gangs.txt. A clip takes `seconds`, and as long as there is no file `until`.
"""

import argparse
import json
import os
import time
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HERE = Path(__file__).resolve().parent
ERRORS = {
    "raise": ("RuntimeError", "it broke"),
    "wrong": ("ValueError", "the value is wrong"),
    "memory": ("torch.OutOfMemoryError", "Allocation on device"),
}
history = {}


def read(name: str, default: str) -> str:
    path = HERE / name
    return path.read_text().strip() if path.exists() else default


def what_to_do(inputs: dict) -> str:
    once = inputs.get("once")
    if once and os.path.exists(once):
        return "work"
    if once:
        Path(once).touch()
    return inputs.get("does", "work")


def run(prompt: dict, does: str) -> dict:
    ((node, found),) = prompt.items()
    time.sleep(found["inputs"].get("seconds", 0))
    while "until" in found["inputs"] and not os.path.exists(found["inputs"]["until"]):
        time.sleep(0.05)
    if does == "end":
        os._exit(9)
    if does in ERRORS:
        kind, words = ERRORS[does]
        error = {"node_id": node, "node_type": "Fake", "exception_type": kind, "exception_message": words}
        return {"outputs": {}, "status": {"status_str": "error", "messages": [["execution_error", error]]}}
    if does == "nothing":
        return {"outputs": {}, "status": {"status_str": "success"}}
    folder = Path(options.output_directory)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "clip.webp").write_bytes(json.dumps(prompt).encode() + bytes(found["inputs"].get("bytes", 0)))
    return {
        "outputs": {node: {"images": [{"filename": "clip.webp", "subfolder": "", "type": "output"}]}},
        "status": {"status_str": "success"},
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/system_stats":
            self.answer(
                {"system": {"comfyui_version": read("version.txt", "1"), "pytorch_version": "2"}, "devices": []}
            )
        elif self.path == "/object_info":
            choices = {"model": [read("models.txt", "a.safetensors").split("\n"), {}]}
            self.answer({kind: {"input": {"required": choices}} for kind in ("Fake", "ADN_SpreadWindows")})
        else:
            identity = self.path.rsplit("/")[-1]
            self.answer({identity: history[identity]} if identity in history else {})

    def do_POST(self):
        prompt = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["prompt"]
        ((node, found),) = prompt.items()
        does = what_to_do(found["inputs"])
        if does == "refuse":
            error = {"class_type": "Fake", "errors": [{"message": "Value not in list", "details": "model: 'b'"}]}
            self.answer({"error": {"message": "Prompt outputs failed validation"}, "node_errors": {node: error}}, 400)
            return
        identity = uuid.uuid4().hex
        self.answer({"prompt_id": identity})
        if does != "hang":
            history[identity] = run(prompt, does)

    def answer(self, value, code=200):
        data = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--output-directory")
    options, _ = parser.parse_known_args()
    print("the stand-in starts", flush=True)
    with open(HERE / "gangs.txt", "a") as gangs:
        print(os.environ.get("ANIMATEDIFF_GANG"), file=gangs)
    ThreadingHTTPServer(("127.0.0.1", options.port), Handler).serve_forever()
